"""What many rooms' tests share: a fake Runner, and the folders of the demo checkpoint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from auricle.serve.runner import Tensors

ROOT = Path(__file__).parents[1]


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
