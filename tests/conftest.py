"""What many rooms' tests share: a fake Runner, a spec, the folders of the demo checkpoint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from auricle.serve.runner import Tensors
from auricle.spec import PipelineSpec, Source

ROOT = Path(__file__).parents[1]
TRANSDUCER_SPEC = PipelineSpec(
    family="icefall_transducer",
    head="transducer",
    sample_rate=16000,
    seconds_per_frame=0.04,
    graphs={"encoder": "encoder.onnx", "decoder": "decoder.onnx", "joiner": "joiner.onnx"},
    tokens="tokens.txt",
    token_kind="bpe",
    blank_id=0,
    unk_id=2,
    context_size=2,
    max_seconds=40.08,
    source=Source("org/name", "abc", {"encoder.onnx": "0" * 64}),
)


@dataclass
class FakeRunner:
    """A Runner of plain functions by graph name; keeps what it was asked."""

    functions: dict[str, Callable[[Tensors], Tensors]]
    asked: list[tuple[str, Sequence[Tensors]]] = field(default_factory=list)

    def run(self, graph: str, batches: Sequence[Tensors]) -> list[Tensors]:
        self.asked.append((graph, batches))
        return [self.functions[graph](batch) for batch in batches]


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of the demo checkpoints."""
    return ROOT / "assets"


@pytest.fixture(scope="session")
def test_wavs() -> Path:
    """The folder of the 40 shipped utterances, with wav.scp and text."""
    return ROOT / "client" / "test_wavs"
