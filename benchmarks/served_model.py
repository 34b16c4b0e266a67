"""A built model's pipeline in this very process: what Triton would run, without Triton."""

from pathlib import Path

from auricle import spec
from auricle.build.repository import config
from auricle.serve.backend.local import load_pipeline
from auricle.serve.pipeline import Pipeline


def load(folder: Path) -> Pipeline:
    """The pipeline of <repository>/<model>, with the choices of its config.pbtxt."""
    parameters = config.parse((folder / "config.pbtxt").read_text(encoding="utf-8")).parameters
    choices = spec.parse_choices({name: each.string_value for name, each in parameters.items()})
    return load_pipeline(folder / "1", choices)
