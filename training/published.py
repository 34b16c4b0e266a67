"""Error rates of the folders written as WeNet and FunASR publish them, by their files alone.

Words count in English, characters in Mandarin. SenseVoice is not told the language.
"""

import argparse
import json
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import kaldialign
import numpy as np
import sentencepiece
from numpy.typing import NDArray

from training.decode import BLANK, ctc_greedy, ctc_prefix_beam
from training.evaluate import open_session, read_set
from training.features import STYLES, low_frame_rate
from training.heldout import HELD_OUT, MANDARIN, SHIPPED, SHIPPED_MANDARIN
from training.sanm.listen import Listener

logger = logging.getLogger(__name__)

Array = NDArray[np.float32]
Transcriber = Callable[[Array], str]  # features [T, 80] to text
Set = list[tuple[Array, list[str]]]

BPE_NAME = "chn_jpn_yue_eng_ko_spectok.bpe.model"  # as SenseVoiceSmall is published
FAMILIES = ("wenet-u2", "sense-voice", "paraformer", "paraformer-online")
SILENT_FRAMES = 120  # behind an utterance, for a model of streams
SILENCE = float(np.log(np.finfo(np.float32).eps))  # every value of a frame of zeros
AUTO, WITHOUT_ITN = 0, 15  # of SenseVoice's queries
EOS = 2  # of Paraformer's tokens, and <sos/eos> of WeNet's


def _units(path: Path) -> list[str]:
    return [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines()]


def wenet(folder: Path, rescored: bool) -> Transcriber:
    """Greedy CTC, or the beam's prefixes rescored by the decoder graph."""
    encoder, decoder = (open_session(folder / f"{name}.onnx") for name in ("encoder", "decoder"))
    units = _units(folder / "units.txt")
    beam = decoder.get_inputs()[2].shape[1]

    def rescore(encoder_out: Array, lens: NDArray[np.int32], log_probs: Array) -> tuple[int, ...]:
        found = ctc_prefix_beam(log_probs[0, : lens[0]], beam)
        hypotheses = [*found, *[()] * (beam - len(found))]
        scores = [*found.values(), *[-np.inf] * (beam - len(found))]
        feed = {
            "encoder_out": encoder_out,
            "encoder_out_lens": lens,
            "hyps_pad_sos_eos": _padded(hypotheses),
            "hyps_lens_sos": np.array([[len(tokens) + 1 for tokens in hypotheses]], np.int32),
            "r_hyps_pad_sos_eos": _padded([tokens[::-1] for tokens in hypotheses]),
            "ctc_score": np.array([scores], np.float32),
        }
        return hypotheses[int(decoder.run(None, feed)[0][0])]

    def transcribe(features: Array) -> str:
        lens = np.array([len(features)], np.int32)
        feed = {"speech": features[None], "speech_lengths": lens}
        encoder_out, out_lens, log_probs, *_ = encoder.run(None, feed)
        if rescored:
            tokens: Sequence[int] = rescore(encoder_out, out_lens, log_probs)
        else:
            (tokens,) = ctc_greedy(log_probs, out_lens)
        return "".join(units[token] for token in tokens).replace("▁", " ").strip()

    return transcribe


def _padded(hypotheses: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """[1, beam, U]: <sos>, tokens, <eos>, and <eos> for padding."""
    width = max(map(len, hypotheses)) + 2
    rows = [[EOS, *tokens, *[EOS] * (width - 1 - len(tokens))] for tokens in hypotheses]
    return np.array([rows], np.int64)


def read_cmvn(path: Path) -> tuple[Array, Array]:
    """Shift and scale of am.mvn, each [560]."""
    shift, scale = (
        np.array(line.split("[")[1].strip(" ]").split(), np.float32)
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("<LearnRateCoef>")
    )
    return shift, scale


def _normaliser(folder: Path) -> Callable[[Array], Array]:
    """am.mvn, which stacks by LFR first."""
    shift, scale = read_cmvn(folder / "am.mvn")
    return lambda features: np.asarray((low_frame_rate(features) + shift) * scale)


def sense_voice(folder: Path, graph: str = "model.onnx") -> Transcriber:
    """The text with its four tags before it."""
    session, normalise = open_session(folder / graph), _normaliser(folder)
    bpe = sentencepiece.SentencePieceProcessor(model_file=str(folder / BPE_NAME))

    def transcribe(features: Array) -> str:
        speech = normalise(features)
        feed = {
            "speech": speech[None],
            "speech_lengths": np.array([len(speech)], np.int32),
            "language": np.array([AUTO], np.int32),
            "textnorm": np.array([WITHOUT_ITN], np.int32),
        }
        (tokens,) = ctc_greedy(*session.run(None, feed))
        return str(bpe.decode(tokens))

    return transcribe


def paraformer(folder: Path, graph: str = "model.onnx") -> Transcriber:
    session, normalise = open_session(folder / graph), _normaliser(folder)
    tokens = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))

    def transcribe(features: Array) -> str:
        speech = normalise(features)
        feed = {"speech": speech[None], "speech_lengths": np.array([len(speech)], np.int32)}
        logits, token_num, *_ = session.run(None, feed)
        best = logits[0].argmax(axis=1)
        kept = [tokens[index] for index in best if index not in (BLANK, EOS)]
        return " ".join(kept[: token_num[0] - 1]).replace("@@ ", "").removesuffix("@@")

    return transcribe


def paraformer_online(folder: Path, is_whole: bool) -> Transcriber:
    """In windows, as it is served, or the whole utterance at once."""
    listener = Listener(folder, _normaliser(folder), is_whole)
    padding = ((0, SILENT_FRAMES), (0, 0))
    return lambda features: listener(np.pad(features, padding, constant_values=SILENCE))


def error_rate(transcribe: Transcriber, utterances: Set, by_character: bool) -> float:
    """In percent of the reference's words or characters."""

    def units(text: str) -> list[str]:
        text = re.sub(r"<\|.*?\|>", "", text)
        return list(text.replace(" ", "")) if by_character else text.split()

    pairs = [
        (units(" ".join(words)), units(transcribe(features))) for features, words in utterances
    ]
    errors = sum(kaldialign.edit_distance(ref, hyp)["total"] for ref, hyp in pairs)
    return 100 * errors / sum(len(ref) for ref, _ in pairs)


def transcribers(family: str, folder: Path) -> dict[str, Transcriber]:
    """By the name that the results have."""
    if family == "wenet-u2":
        return {
            "wenet-u2, CTC": wenet(folder, rescored=False),
            "wenet-u2, rescored": wenet(folder, rescored=True),
        }
    if family == "paraformer-online":
        return {
            family: paraformer_online(folder, is_whole=False),
            f"{family}, full context": paraformer_online(folder, is_whole=True),
        }
    read = sense_voice if family == "sense-voice" else paraformer
    return {family: read(folder), f"{family}, int8": read(folder, "model_quant.onnx")}


def measure(family: str, assets: Path, audio: Path) -> dict[str, dict[str, float]]:
    """Rates by way of decoding, then by list."""
    style = STYLES["wenet" if family == "wenet-u2" else "funasr"]
    english = {HELD_OUT.stem: audio / HELD_OUT.stem, "shipped": SHIPPED}
    mandarin = {MANDARIN.stem: audio / MANDARIN.stem, "shipped_mandarin": SHIPPED_MANDARIN}
    folders = english if family == "wenet-u2" else english | mandarin
    sets = {name: read_set(folder, style) for name, folder in folders.items()}
    results = {}
    for way, transcribe in transcribers(family, assets / family).items():
        rates = {
            name: error_rate(transcribe, rows, name in mandarin) for name, rows in sets.items()
        }
        results[way] = {name: round(rate, 2) for name, rate in rates.items()}
        logger.info("%s: %s", way, results[way])
    return results


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("audio", type=Path, help="written by training.heldout --audio")
    parser.add_argument("assets", type=Path, help="has the families' folders")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("published.json"))
    args = parser.parse_args()
    results = json.loads(args.out.read_text(encoding="utf-8")) if args.out.exists() else {}
    for family in args.families:
        results |= measure(family, args.assets, args.audio)
    args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
