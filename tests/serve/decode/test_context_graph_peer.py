"""The bonus of every token against sherpa-onnx's own, in its search of a streaming transducer."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import sherpa_onnx

from auricle import audio
from auricle.client.manifests import read_text
from auricle.serve.decode.context_graph import ContextGraph
from auricle.serve.phrases import PhraseTokens
from auricle.serve.spelling import parse_symbols

pytestmark = pytest.mark.onnx

ROOT = Path(__file__).parents[3]
CHECKPOINT, SPEECH = ROOT / "assets" / "icefall-streaming", ROOT / "client" / "test_wavs"
SYMBOLS = parse_symbols((CHECKPOINT / "tokens.txt").read_text(encoding="utf-8"))
IDEOGRAPHS = 0x4E00  # tokens are renamed to these, which sherpa-onnx takes one by one
SILENCE = np.zeros(8000, np.float32)


def make_phrases(seed: int, scores: Sequence[float]) -> dict[tuple[int, ...], float]:
    """Parts of what is said, some with a wrong last token; a first token has one score."""
    chosen = random.Random(seed)  # no secret
    encode = PhraseTokens(SYMBOLS, "bpe", (0, 2)).encode
    said = [encode(text) for text in read_text(SPEECH / "text").values()]
    phrases: dict[tuple[int, ...], float] = {}
    score_of_first: dict[int, float] = {}
    for ids in (each for each in said for _ in range(2)):
        size = chosen.randint(1, 5)
        start = chosen.randrange(max(1, len(ids) - size))
        phrase = ids[start : start + size]
        if chosen.random() < 0.4:
            phrase = (*phrase, chosen.choice(chosen.choice(said)))
        phrases[phrase] = score_of_first.setdefault(phrase[0], chosen.choice(scores))
    return phrases


def spell(ids: Sequence[int]) -> str:
    return "".join(chr(IDEOGRAPHS + token_id) for token_id in ids)


def hear(folder: Path) -> Iterator[tuple[list[int], list[float]]]:
    """sherpa-onnx's tokens of each recording, and the bonus of each."""
    graphs = {name: str(next(CHECKPOINT.glob(f"{name}*"))) for name in ("encoder", "decoder",
                                                                         "joiner")}  # fmt: skip
    recognizer = sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=str(folder / "tokens.txt"),
        decoding_method="modified_beam_search",
        hotwords_file=str(folder / "hotwords.txt"),
        modeling_unit="cjkchar",
        num_threads=1,
        **graphs,
    )
    for name in read_text(SPEECH / "text"):
        stream = recognizer.create_stream()
        stream.accept_waveform(16000, audio.load(SPEECH / f"{name}.wav", 16000))
        stream.accept_waveform(16000, SILENCE)
        stream.input_finished()
        while recognizer.is_ready(stream):
            recognizer.decode_stream(stream)
        ids = [ord(token) - IDEOGRAPHS for token in recognizer.tokens(stream)]
        yield ids, recognizer.context_scores(stream)


@pytest.mark.parametrize("scores", [[1.5], [0.5, 1.0, 2.5]], ids=["one score", "scores"])
def test_every_bonus_is_sherpa_onnxs(scores: list[float], tmp_path: Path) -> None:
    phrases = make_phrases(1, scores)
    names = [*SYMBOLS[:3], *(spell([token_id]) for token_id in range(3, len(SYMBOLS)))]
    lines = "".join(f"{name} {token_id}\n" for token_id, name in enumerate(names))
    (tmp_path / "tokens.txt").write_text(lines, encoding="utf-8")
    hotwords = "".join(f"{spell(ids)} :{score}\n" for ids, score in phrases.items())
    (tmp_path / "hotwords.txt").write_text(hotwords, encoding="utf-8")
    graph = ContextGraph(list(phrases), list(phrases.values()), is_strict=False)
    num_paid = 0
    for ids, theirs in hear(tmp_path):
        state, ours = np.zeros(1, np.int64), []
        for token_id in ids:
            bonus, state = graph.step(state, np.array([token_id]))
            ours.append(float(bonus[0]))
        assert theirs == pytest.approx(ours, abs=1e-4)  # float32 there
        num_paid += np.count_nonzero(ours)
    assert num_paid > 200
