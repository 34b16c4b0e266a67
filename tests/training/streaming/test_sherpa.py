"""sherpa-onnx reads the exports, and hears in the 40 shipped utterances what the plain loop hears.

Its conformers get processed_lens in feature frames where icefall counts encoder frames, and its
WeNet models get features of lhotse's band and edges: the loop does the same here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")
pytest.importorskip("sherpa_onnx", reason="the other implementation")
pytest.importorskip("kaldialign")
pytest.importorskip("soundfile")
pytest.importorskip("sentencepiece")
pytest.importorskip("kaldi_native_fbank")

from training.heldout import SHIPPED
from training.streaming import evaluate, sherpa
from training.streaming.chunking import Chunking

if TYPE_CHECKING:
    from tests.training.streaming.conftest import Exports

pytestmark = pytest.mark.onnx
CHUNKING = Chunking()
LOOPS: dict[str, Callable[[Path], evaluate.Transcriber]] = {
    "icefall-conformer": lambda folder: evaluate.transducer(folder, CHUNKING, CHUNKING.shift),
    "icefall-zipformer2": lambda folder: evaluate.transducer(folder, CHUNKING),
    "icefall-zipformer2-ctc": lambda folder: evaluate.ctc(folder, CHUNKING),
    "wenet": lambda folder: evaluate.wenet(folder, CHUNKING, evaluate.SHERPA_WENET),
}


@pytest.fixture(scope="module")
def utterances() -> list[evaluate.Utterance]:
    return list(evaluate.read_set(SHIPPED))


@pytest.fixture(scope="module", params=LOOPS)
def heard(
    demo: "Exports", utterances: list[evaluate.Utterance], request: pytest.FixtureRequest
) -> tuple[str, list[str]]:
    """A kind, and what the loop hears with it."""
    transcribe = LOOPS[request.param](demo.root / request.param)
    return request.param, [transcribe(waveform) for waveform, _ in utterances]


def test_sherpa_onnx_hears_the_same(
    demo: "Exports",
    heard: tuple[str, list[str]],
    utterances: list[evaluate.Utterance],
    tmp_path: Path,
) -> None:
    kind, texts = heard
    folder = demo.root / kind
    if kind == "wenet":
        sherpa.wenet_sibling(folder, tmp_path)
        folder = tmp_path
    other = sherpa.transcriber(sherpa.recognizer(kind, folder))
    assert [other(waveform) for waveform, _ in utterances] == texts


def test_held_out_speakers_are_understood(
    heard: tuple[str, list[str]], utterances: list[evaluate.Utterance]
) -> None:
    kind, texts = heard
    again = iter(texts)
    rate = evaluate.word_error_rate(lambda _: next(again), utterances)
    assert rate <= (3 if kind in {"icefall-zipformer2-ctc", "wenet"} else 2)


def test_the_shipped_folder_is_understood(utterances: list[evaluate.Utterance]) -> None:
    folder = Path(__file__).parents[3] / "assets" / "icefall-streaming"
    transcribe = evaluate.transducer(folder, CHUNKING, CHUNKING.chunk)
    assert evaluate.word_error_rate(transcribe, utterances) <= 2


def test_wenets_rescoring_reads_the_chunks(
    demo: "Exports", utterances: list[evaluate.Utterance]
) -> None:
    transcribe = evaluate.wenet_rescored(demo.root / "wenet", CHUNKING)
    assert evaluate.word_error_rate(transcribe, utterances[:12]) <= 2
