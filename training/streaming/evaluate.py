"""Word error rates of the streaming exports, chunk by chunk: our plain loop, and sherpa-onnx.

Writes all kinds for each chunk size into a temporary folder and decodes the held-out lists.
"""

import argparse
import dataclasses
import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import kaldialign
import numpy as np
import soundfile
from numpy.typing import NDArray

from training.decode import BLANK, ctc_greedy, ctc_prefix_beam, transducer_greedy
from training.evaluate import open_session
from training.features import STYLES, Array, Style, fbank
from training.heldout import HELD_OUT, SEEN_VOICES, SHIPPED
from training.model import Progress, Recognizer, load
from training.streaming.chunking import Chunking
from training.streaming.export import ASSETS, KINDS, Job, export
from training.streaming.stream import StreamingGraph
from training.tokens import load_bpe

logger = logging.getLogger(__name__)

Transcriber = Callable[[Array], str]  # waveform [num_samples] in [-1, 1] to text
Utterance = tuple[Array, list[str]]
CHUNKS = (8, 16, 32)  # encoder frames: 320, 640, 1280 ms
SOS_EOS = 2  # WeNet's
# What sherpa-onnx computes for WeNet's online models, and cannot be told otherwise
SHERPA_WENET = dataclasses.replace(STYLES["wenet"], high_freq_hz=-400.0, snip_edges=False)


def _one(folder: Path, role: str) -> Path:
    (path,) = folder.glob(f"{role}-*.onnx")
    return path


def transducer(folder: Path, chunking: Chunking, uncounted: int = 0) -> Transcriber:
    """uncounted: as StreamingGraph's."""
    encoder = StreamingGraph(_one(folder, "encoder"), chunking.shift, uncounted)
    decoder, joiner = (open_session(_one(folder, role)) for role in ("decoder", "joiner"))
    bpe = load_bpe(folder / "bpe.model")

    def transcribe(waveform: Array) -> str:
        encoder_out = encoder.run(fbank(waveform))["encoder_out"]
        (tokens,) = transducer_greedy(
            encoder_out[None],
            [len(encoder_out)],
            lambda y: np.asarray(decoder.run(None, {"y": y})[0]),
            lambda a, b: np.asarray(joiner.run(None, {"encoder_out": a, "decoder_out": b})[0]),
        )
        return str(bpe.decode(tokens))

    return transcribe


def ctc(folder: Path, chunking: Chunking) -> Transcriber:
    graph = StreamingGraph(_one(folder, "ctc"), chunking.shift)
    bpe = load_bpe(folder / "bpe.model")

    def transcribe(waveform: Array) -> str:
        log_probs = graph.run(fbank(waveform))["log_probs"]
        (tokens,) = ctc_greedy(log_probs[None], [len(log_probs)])
        return str(bpe.decode(tokens))

    return transcribe


def wenet(folder: Path, chunking: Chunking, style: Style = STYLES["wenet"]) -> Transcriber:
    """The best path of the ten tokens that the graph gives for each frame."""
    encoder = StreamingGraph(folder / "encoder.onnx", chunking.shift)
    units = _units(folder)

    def transcribe(waveform: Array) -> str:
        path = encoder.run(fbank(waveform, style))["log_probs_idx"][:, 0]
        changed = np.flatnonzero(np.diff(path, prepend=-1))
        return _text([units[token] for token in path[changed] if token != BLANK])

    return transcribe


def wenet_rescored(folder: Path, chunking: Chunking) -> Transcriber:
    """The prefix beam over all chunks, rescored when the audio ends, as WeNet's runtime does."""
    encoder = StreamingGraph(folder / "encoder.onnx", chunking.shift)
    decoder, units = open_session(folder / "decoder.onnx"), _units(folder)
    beam = decoder.get_inputs()[2].shape[1]

    def transcribe(waveform: Array) -> str:
        out = encoder.run(fbank(waveform, STYLES["wenet"]))
        log_probs = np.full((len(out["log_probs"]), len(units)), -np.inf, np.float32)
        np.put_along_axis(
            log_probs, out["log_probs_idx"].astype(np.int64), out["log_probs"], axis=1
        )
        found = list(ctc_prefix_beam(log_probs, beam).items())
        found += [((), -np.inf)] * (beam - len(found))
        feed = {
            "encoder_out": out["chunk_out"][None],
            "encoder_out_lens": np.array([len(out["chunk_out"])], np.int32),
            "hyps_pad_sos_eos": _padded([tokens for tokens, _ in found]),
            "hyps_lens_sos": np.array([[len(tokens) + 1 for tokens, _ in found]], np.int32),
            "r_hyps_pad_sos_eos": _padded([tokens[::-1] for tokens, _ in found]),
            "ctc_score": np.array([[score for _, score in found]], np.float32),
        }
        tokens, _ = found[int(decoder.run(None, feed)[0][0])]
        return _text([units[token] for token in tokens])

    return transcribe


def _units(folder: Path) -> list[str]:
    lines = (folder / "units.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines]


def _text(pieces: Sequence[str]) -> str:
    return "".join(pieces).replace("▁", " ").strip()


def _padded(hypotheses: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """[1, beam, U]: <sos/eos> before the tokens and after them."""
    width = max(map(len, hypotheses)) + 2
    rows = [[SOS_EOS, *tokens, *[SOS_EOS] * (width - 1 - len(tokens))] for tokens in hypotheses]
    return np.array([rows], np.int64)


def transcribers(root: Path, chunking: Chunking) -> dict[str, Transcriber]:
    """root: has a folder for each kind. By the name that the results have."""
    folders = {kind: root / kind for kind in KINDS}
    return {
        "icefall-conformer": transducer(folders["icefall-conformer"], chunking, chunking.chunk),
        "icefall-zipformer2": transducer(folders["icefall-zipformer2"], chunking),
        "icefall-zipformer2-ctc": ctc(folders["icefall-zipformer2-ctc"], chunking),
        "wenet": wenet(folders["wenet"], chunking),
        "wenet, rescored": wenet_rescored(folders["wenet"], chunking),
    }


def others(root: Path) -> dict[str, Transcriber]:
    """sherpa-onnx of the same folders."""
    from training.streaming import sherpa

    sherpa.wenet_sibling(root / "wenet", root / "wenet-sibling")
    return {
        f"{kind}, sherpa-onnx": sherpa.transcriber(
            sherpa.recognizer(kind, root / (kind if kind != "wenet" else "wenet-sibling"))
        )
        for kind in KINDS
    }


def read_set(folder: Path) -> list[Utterance]:
    """Waveforms and reference words of every utterance in a folder with wav.scp and text."""
    texts, wavs = (
        dict(line.split(maxsplit=1) for line in (folder / name).read_text("utf-8").splitlines())
        for name in ("text", "wav.scp")
    )
    return [
        (soundfile.read(folder / path, dtype="float32")[0], texts[name].split())
        for name, path in wavs.items()
    ]


def word_error_rate(transcribe: Transcriber, utterances: Sequence[Utterance]) -> float:
    """In percent of the reference's words."""
    errors = sum(
        kaldialign.edit_distance(words, transcribe(waveform).split())["total"]
        for waveform, words in utterances
    )
    return float(100 * errors / sum(len(words) for _, words in utterances))


def measure(
    model: tuple[Recognizer, Progress], chunk: int, sets: dict[str, list[Utterance]]
) -> dict[str, dict[str, float]]:
    """Rates by way of decoding, then by list; of sherpa-onnx for the default chunk."""
    chunking, results = Chunking(chunk), {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for kind in KINDS:
            export(kind, Job(model[0], model[1], chunking), root / kind)
        ways = transcribers(root, chunking)
        if chunking == Chunking():
            ways |= others(root)
        for way, transcribe in ways.items():
            rates = {
                which: round(word_error_rate(transcribe, utterances), 2)
                for which, utterances in sets.items()
            }
            results[f"{way}, {40 * chunk} ms"] = rates
            logger.info("%s, %d ms: %s", way, 40 * chunk, rates)
    return results


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("audio", type=Path, help="written by training.heldout --audio")
    parser.add_argument("--checkpoint", type=Path, default=ASSETS / "checkpoint.pt")
    parser.add_argument("--chunks", type=int, nargs="+", default=CHUNKS)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    args = parser.parse_args()
    folders = {name: args.audio / name for name in (HELD_OUT.stem, SEEN_VOICES.stem)}
    sets = {name: read_set(path) for name, path in (folders | {"shipped": SHIPPED}).items()}
    model = load(args.checkpoint)
    results: dict[str, dict[str, float]] = {}
    for chunk in args.chunks:
        results |= measure(model, chunk, sets)
    args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
