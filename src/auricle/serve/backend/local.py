"""A built model's pipeline from its files: in Triton's process, or in any other."""

from pathlib import Path

from auricle import spec
from auricle.serve.backend.aids import load_aids
from auricle.serve.backend.onnx_runner import OnnxRunner
from auricle.serve.detector import DetectorPipeline
from auricle.serve.pipeline import Pipeline
from auricle.serve.runner import Runner
from auricle.serve.spelling import parse_symbols
from auricle.serve.streaming import StreamingPipeline
from auricle.serve.tokens import TokenTable
from auricle.spec import Choices, PipelineSpec


def load_pipeline(folder: Path, choices: Choices) -> Pipeline:
    """What Triton would run of a version folder that holds its encoder, without Triton."""
    facts = spec.load(folder)
    pipeline = create_pipeline(facts, choices, folder, _create_runner(facts, choices, folder))
    assert isinstance(pipeline, Pipeline), f"{folder} holds a detector of speech"
    return pipeline


def load_detector(folder: Path, choices: Choices) -> DetectorPipeline:
    """Likewise, of a model that only finds speech."""
    facts = spec.load(folder)
    runner = _create_runner(facts, choices, folder)
    return DetectorPipeline(facts, choices, runner, _read_tokens(facts, folder))


def load_streaming_pipeline(folder: Path, choices: Choices) -> StreamingPipeline:
    """Likewise, of a streaming model."""
    facts = spec.load(folder)
    return create_streaming_pipeline(facts, choices, folder, _create_runner(facts, choices, folder))


def create_pipeline(
    facts: PipelineSpec, choices: Choices, folder: Path, runner: Runner
) -> Pipeline | DetectorPipeline:
    """The pipeline over a Runner; of folder, the tokens are read, and what helps a search."""
    tokens = _read_tokens(facts, folder)
    if facts.head == "vad":
        return DetectorPipeline(facts, choices, runner, tokens)
    aids = load_aids(facts, choices, folder, tokens.symbols)
    return Pipeline(facts, choices, runner, tokens, aids)


def create_streaming_pipeline(
    facts: PipelineSpec, choices: Choices, folder: Path, runner: Runner
) -> StreamingPipeline:
    """Likewise, of a streaming model."""
    tokens = _read_tokens(facts, folder)
    aids = load_aids(facts, choices, folder, tokens.symbols)
    return StreamingPipeline(facts, choices, runner, tokens, aids)


def _create_runner(facts: PipelineSpec, choices: Choices, folder: Path) -> OnnxRunner:
    graphs = {role: folder / name for role, name in facts.graphs.items()}
    return OnnxRunner(graphs, choices.threads)


def _read_tokens(facts: PipelineSpec, folder: Path) -> TokenTable:
    symbols = parse_symbols((folder / facts.tokens).read_text(encoding="utf-8"))
    return TokenTable(symbols, facts.token_kind, facts.seconds_per_frame, facts.prompt)
