"""CTC prefix beam search against flashlight-text's and pyctcdecode's, on one core.

    pip install flashlight-text==0.0.7 pyctcdecode==0.5.0 pygtrie kenlm==0.3.0
    python -m benchmarks.ctc_beams --json docs/raw/ctc-beams.json
    python -m benchmarks.ctc_beams --checkpoint assets/icefall-ctc --json FILE

16 utterances of 10 s: drawn from a seed, of 5000 tokens in 250 frames, with language models of a
million n-grams; or those of client/test_wavs, joined, as the checkpoint hears them. All searches
take turns, and what is timed is the processor: none has a second thread. Ours gets the 20 best
labels of each frame, as they leave the served graph; that choice is timed beside it. The others get
all labels, as they want them.
"""

import gzip
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime as ort
import pyctcdecode
import typer
from flashlight.lib.text import decoder as flashlight
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from numpy.typing import NDArray
from onnx import TensorProto, helper

from auricle.build.export.reference import kaldi_features
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.client.bench import workload
from auricle.client.manifests import find_audio
from auricle.serve.backend.language_models import load_language_model
from auricle.serve.decode import prefix_beam
from auricle.serve.decode.context_graph import ContextGraph, HotwordScorer
from auricle.serve.decode.ctc import Emissions, greedy_search
from auricle.serve.decode.fusion import Scorer, Sum
from auricle.serve.decode.language_model import LanguageModelScorer
from auricle.serve.lexicon import Unit, relate
from auricle.serve.spelling import parse_symbols
from benchmarks import ctc_speech
from benchmarks.ctc_speech import Speech
from benchmarks.in_turn import Timing, time_in_turn, write

BEAM, NUM_TOP, BLANK_ID = 10, 20, 0
COUNT, SECONDS, SAMPLE_RATE = 16, 10.0, 16000
NUM_HOTWORDS, BONUS = 1000, 1.0
WEIGHT, BONUSES = 0.2, {"tokens": 0.0, "words": 0.5}  # flashlight-text has no bonus of tokens
LN_10 = math.log(10)  # its language models' logarithms are of base 10
BEAM_THRESHOLD = 50.0  # torchaudio's default for flashlight's search

Texts = list[list[int]]
Run = Callable[[], object]


class Choice:
    """TopK as the served graphs have it, on one thread."""

    def __init__(self) -> None:
        k = helper.make_tensor("k", TensorProto.INT64, [1], [NUM_TOP])
        graph = helper.make_graph(
            [helper.make_node("TopK", ["x", "k"], ["best", "ids"], axis=2)],
            "choice",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "T", "V"])],
            [
                helper.make_tensor_value_info("best", TensorProto.FLOAT, None),
                helper.make_tensor_value_info("ids", TensorProto.INT64, None),
            ],
            [k],
        )
        opset = helper.make_opsetid("", 17)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(model.SerializeToString(), options)

    def __call__(self, log_probs: NDArray[np.float32]) -> Emissions:
        best, ids = self._session.run(None, {"x": log_probs})
        lens = np.full(len(best), best.shape[1], np.int32)
        return Emissions(ids.astype(np.int32), best, log_probs[..., BLANK_ID], lens, BLANK_ID)


def read_demo(checkpoint: Path) -> Speech:
    """What the published graph says of client/test_wavs, joined to ten seconds each."""
    audio = workload.read(find_audio(["client/test_wavs"]), SAMPLE_RATE)
    joined = workload.mix(audio, workload.Mix(SECONDS, SECONDS, COUNT), SAMPLE_RATE)
    features = [kaldi_features(each, FbankOptions(SAMPLE_RATE)) for each in joined.values()]
    session = ort.InferenceSession(str(checkpoint / "model.onnx"))
    lens = np.array([len(each) for each in features], np.int64)
    log_probs = session.run(["log_probs"], {"x": np.stack(features), "x_lens": lens})[0]
    emissions = Choice()(log_probs)
    best = greedy_search(
        emissions.ids[..., 0], emissions.log_probs[..., 0], emissions.lens, BLANK_ID
    )
    symbols = parse_symbols((checkpoint / "tokens.txt").read_text(encoding="utf-8"))
    return Speech(symbols, log_probs, [each.ids for each in best])


def language_models(checkpoint: Path | None, seed: int, folder: Path) -> dict[Unit, Path]:
    """Files in ARPA's format, by what they are of."""
    found: dict[Unit, Path] = {}
    if checkpoint:
        found["words"] = folder / "words.arpa"
        found["words"].write_bytes(gzip.decompress(Path("assets/lm/words.arpa.gz").read_bytes()))
        return found
    symbols = ctc_speech.make_symbols(5000)
    sizes: dict[Unit, int] = {"tokens": 220_000, "words": 390_000}
    for unit, num_words in sizes.items():
        language = ctc_speech.Language(symbols, seed)
        sentences = language.sentences(num_words, of_tokens=unit == "tokens")
        found[unit] = folder / f"{unit}.arpa"
        typer.echo(f"{unit}: {ctc_speech.write_arpa(found[unit], sentences, seed)} n-grams")
    return found


def create_scorers(speech: Speech, files: dict[Unit, Path], seed: int) -> dict[str, Scorer | None]:
    phrases = ctc_speech.draw_phrases(speech, NUM_HOTWORDS, seed)
    graph = ContextGraph(phrases, [BONUS] * len(phrases))
    hotwords = HotwordScorer([graph] * COUNT)
    scorers: dict[str, Scorer | None] = {"ours": None, "ours, hotwords": hotwords}
    for unit, path in files.items():
        units = relate(load_language_model(path), speech.symbols, "bpe", unit)
        model = LanguageModelScorer(units, np.full(COUNT, WEIGHT), np.full(COUNT, BONUSES[unit]))
        scorers[f"ours, {unit}"] = model
        scorers[f"ours, {unit}, hotwords"] = Sum([model, hotwords])
    return scorers


def create_flashlight(
    speech: Speech, lm: flashlight.LM, weight: float = 0.0
) -> Callable[[], Texts]:
    options = flashlight.LexiconFreeDecoderOptions(
        beam_size=BEAM,
        beam_size_token=NUM_TOP,
        beam_threshold=BEAM_THRESHOLD,
        lm_weight=weight,
        sil_score=0.0,
        log_add=True,
        criterion_type=flashlight.CriterionType.CTC,
    )
    decoder = flashlight.LexiconFreeDecoder(options, lm, -1, BLANK_ID, [])
    _, num_frames, vocab_size = speech.log_probs.shape

    def search() -> Texts:
        found = (
            decoder.decode(each.ctypes.data, num_frames, vocab_size)[0].tokens
            for each in speech.log_probs
        )
        return [
            [int(label) for label, _ in groupby(path) if label not in (BLANK_ID, -1)]
            for path in found
        ]

    return search


def create_pyctcdecode(speech: Speech, path: Path | None) -> Callable[[], list[str]]:
    labels = ["", "▁⁇▁", *speech.symbols[2:]]  # its names of blank and <unk>
    decoder = pyctcdecode.build_ctcdecoder(
        labels,
        str(path) if path else None,
        alpha=WEIGHT,
        beta=BONUSES["words"],
        unk_score_offset=0.0,  # <unk> has its probability in the model
    )
    return lambda: [decoder.decode_beams(each, beam_width=BEAM)[0][0] for each in speech.log_probs]


def create_others(speech: Speech, files: dict[Unit, Path]) -> dict[str, Run]:
    runs: dict[str, Run] = {
        "flashlight-text": create_flashlight(speech, flashlight.ZeroLM()),
        "pyctcdecode": create_pyctcdecode(speech, None),
    }
    if tokens := files.get("tokens"):
        dictionary = Dictionary()
        for symbol in speech.symbols:
            dictionary.add_entry(symbol)
        lm = KenLM(str(tokens), dictionary)
        runs["flashlight-text, tokens"] = create_flashlight(speech, lm, WEIGHT * LN_10)
    runs["pyctcdecode, words"] = create_pyctcdecode(speech, files["words"])
    return runs


def share_equal(speech: Speech, ours: Texts, theirs: Sequence[list[int] | str]) -> int:
    def spell(ids: Sequence[int]) -> str:
        return "".join(speech.symbols[each] for each in ids).replace("▁", " ").strip()

    return sum(
        mine == each if isinstance(each, list) else spell(mine) == " ".join(each.split())
        for mine, each in zip(ours, theirs, strict=True)
    )


def show(timings: dict[str, Timing], equal: dict[str, int]) -> None:
    typer.echo("| search | ms (range) | real-time factor | best hypothesis as ours |")
    typer.echo("| --- | ---: | ---: | ---: |")
    for name, timing in timings.items():
        fastest, slowest = 1e3 * min(timing.seconds), 1e3 * max(timing.seconds)
        factor = timing.ms / 1e3 / (COUNT * SECONDS)
        same = f"{equal[name]} of {COUNT}" if name in equal else ""
        typer.echo(
            f"| {name} | {timing.ms:.1f} ({fastest:.1f} to {slowest:.1f}) | {factor:.1e} | {same} |"
        )


def main(
    checkpoint: Annotated[Path | None, typer.Option(help="An icefall CTC model.")] = None,
    rounds: Annotated[int, typer.Option(help="Of every search, in turn.")] = 5,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 1,
    ours_only: Annotated[bool, typer.Option(help="Leave the others out.")] = False,
    json: Annotated[Path | None, typer.Option(help="Keep every round in this file.")] = None,
) -> None:
    """CTC prefix beam searches of a batch on one core."""
    choose = Choice()
    with tempfile.TemporaryDirectory() as folder:
        files = language_models(checkpoint, seed, Path(folder))
        if checkpoint:
            speech = read_demo(checkpoint)
        else:
            language = ctc_speech.Language(ctc_speech.make_symbols(5000), seed)
            speech = ctc_speech.make_speech(language, COUNT, int(SECONDS * 25), seed)
        scorers = create_scorers(speech, files, seed)
        others = {} if ours_only else create_others(speech, files)
    emissions = choose(speech.log_probs)

    def searcher(scorer: Scorer | None) -> Callable[[], Texts]:
        return lambda: [nbest[0].ids for nbest in prefix_beam.search(emissions, BEAM, scorer)]

    ours = {name: searcher(scorer) for name, scorer in scorers.items()}
    equal = {}
    for name, run in others.items():
        counterpart = ours[name.replace(name.split(",", maxsplit=1)[0], "ours")]
        equal[name] = share_equal(speech, counterpart(), run())  # type: ignore[arg-type]
    changed = {
        f"changed by {name}": sum(a != b for a, b in zip(run(), ours["ours"](), strict=True))
        for name, run in ours.items()
    }
    runs: dict[str, Run] = {**ours, "choice of labels": lambda: choose(speech.log_probs), **others}
    timings = time_in_turn(runs, rounds, time.process_time)
    show(timings, equal)
    typer.echo(str(changed))
    record = {
        "vocabulary": len(speech.symbols),
        "frames": speech.log_probs.shape[1],
        "equal": equal,
        "changed": changed,
        "timings": [asdict(each) for each in timings.values()],
    }
    write(json, record, ("numpy", "flashlight-text", "pyctcdecode", "kenlm", "onnxruntime"))


if __name__ == "__main__":
    typer.run(main)
