"""A built model's pipeline in this very process: what Triton would run, without Triton."""

import sys
from pathlib import Path
from types import ModuleType

from auricle import spec
from auricle.build.repository import config
from auricle.serve.pipeline import Pipeline
from auricle.serve.tokens import TokenTable, parse_symbols

STUB_ONLY = "triton_python_backend_utils"  # exists in Triton's stub alone; OnnxRunner needs none


def load(folder: Path) -> Pipeline:
    """The pipeline of <repository>/<model>, with the choices of its config.pbtxt."""
    sys.modules.setdefault(STUB_ONLY, ModuleType(STUB_ONLY))
    from auricle.serve.backend import runners

    parameters = config.parse((folder / "config.pbtxt").read_text(encoding="utf-8")).parameters
    choices = spec.parse_choices({name: each.string_value for name, each in parameters.items()})
    facts = spec.load(folder / "1")
    graphs = {role: folder / "1" / name for role, name in facts.graphs.items()}
    symbols = parse_symbols((folder / "1" / facts.tokens).read_text(encoding="utf-8"))
    tokens = TokenTable(symbols, facts.token_kind, facts.seconds_per_frame)
    return Pipeline(facts, choices, runners.OnnxRunner(graphs, choices, on_gpu=False), tokens)
