"""All kinds, written once: of the demo checkpoint, and of a small random model in other chunks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from training.model import Recognizer
    from training.streaming.chunking import Chunking

ASSETS = Path(__file__).parents[3] / "assets"


@dataclass(frozen=True)
class Exports:
    """root has a folder for each kind."""

    model: "Recognizer"
    chunking: "Chunking"
    root: Path


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Layers are small: more threads than free cores make them wait for one another."""
    for name in ("onnx", "onnxruntime", "kaldi_native_fbank", "sentencepiece"):
        pytest.importorskip(name, reason="training and its exports: pip install 'auricle[train]'")
    torch = pytest.importorskip("torch", reason="training needs torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    from training.model import load
    from training.streaming.chunking import Chunking
    from training.streaming.export import KINDS, Job, export

    model, progress = load(ASSETS / "checkpoint.pt")
    root = tmp_path_factory.mktemp("demo")
    for kind in KINDS:
        export(kind, Job(model, progress), root / kind)
    return Exports(model, Chunking(), root)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    import torch

    from training.model import ModelConfig, Progress, Recognizer
    from training.streaming.chunking import Chunking
    from training.streaming.export import KINDS, Job, export

    torch.manual_seed(0)
    model = Recognizer(ModelConfig(vocab_size=160, dim=32, num_layers=2, joiner_dim=24)).eval()
    root, chunking = tmp_path_factory.mktemp("small"), Chunking(chunk=4, left_context=12)
    for kind in KINDS:
        export(kind, Job(model, Progress(), chunking), root / kind)
    return Exports(model, chunking, root)


@pytest.fixture(params=["demo", "small"])
def exports(request: pytest.FixtureRequest) -> Exports:
    exports: Exports = request.getfixturevalue(request.param)
    return exports


@pytest.fixture(autouse=True)
def no_gradients(one_thread: None) -> Iterator[None]:
    import torch

    with torch.inference_mode():
        yield
