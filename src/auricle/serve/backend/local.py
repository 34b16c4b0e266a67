"""A built model's pipeline from its files: in Triton's process, or in any other."""

from pathlib import Path

from auricle import spec
from auricle.serve.backend.onnx_runner import OnnxRunner
from auricle.serve.pipeline import Pipeline
from auricle.serve.runner import Runner
from auricle.serve.spelling import parse_symbols
from auricle.serve.tokens import TokenTable
from auricle.spec import Choices, PipelineSpec


def load_pipeline(folder: Path, choices: Choices) -> Pipeline:
    """What Triton would run of a version folder that holds its encoder, without Triton."""
    facts = spec.load(folder)
    graphs = {role: folder / name for role, name in facts.graphs.items()}
    return create_pipeline(facts, choices, folder, OnnxRunner(graphs, choices.threads))


def create_pipeline(
    facts: PipelineSpec, choices: Choices, folder: Path, runner: Runner
) -> Pipeline:
    """The pipeline over a Runner; of folder, the tokens are read."""
    symbols = parse_symbols((folder / facts.tokens).read_text(encoding="utf-8"))
    tokens = TokenTable(symbols, facts.token_kind, facts.seconds_per_frame, facts.prompt)
    return Pipeline(facts, choices, runner, tokens)
