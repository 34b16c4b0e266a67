"""A built model's pipeline in this very process: what Triton would run, without Triton."""

from pathlib import Path

from auricle import spec
from auricle.build.repository import config
from auricle.serve.backend.local import load_pipeline
from auricle.serve.pipeline import Pipeline
from auricle.spec import Choices


def load(folder: Path) -> Pipeline:
    """The pipeline of <repository>/<model>, with the choices of its config.pbtxt."""
    return load_pipeline(folder / "1", read_choices(folder))


def read_choices(folder: Path) -> Choices:
    parameters = config.parse((folder / "config.pbtxt").read_text(encoding="utf-8")).parameters
    return spec.parse_choices({name: each.string_value for name, each in parameters.items()})
