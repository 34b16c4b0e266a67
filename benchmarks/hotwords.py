"""What hotwords find and what they cost: new names, and known ones in noise, at several scores.

    python -m training.heldout --audio /tmp/heldout
    python -m training.names --audio /tmp/names
    python -m benchmarks.hotwords REPO /tmp/names /tmp/heldout/heldout --json hotwords.json
    python -m benchmarks.hotwords --table hotwords.json

REPO has models of icefall-transducer, icefall-ctc, wenet-u2 and nemo-ctc, each by its family's
name. Each encoder hears an utterance once; every list and score is a search over what it said.
"""

import hashlib
import itertools
import json as json_format
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from auricle.client.bench import machine, workload
from auricle.client.bench.workload import Waveforms
from auricle.client.hotword_scoring import score_hotwords
from auricle.client.manifests import read_text, read_wav_scp
from auricle.client.scoring import score as score_words
from auricle.hotword_files import Hotword, read_hotwords
from auricle.serve.backend.aids import load_phrases
from auricle.serve.backend.local import load_pipeline
from auricle.serve.decode.context_graph import ContextGraph
from auricle.serve.pipeline import Pipeline
from auricle.serve.runner import Runner, Tensors
from auricle.spec import Choices, Decoding

SAMPLE_RATE = 16000
BATCH = 60  # utterances
SEARCHES: dict[str, tuple[Decoding, ...]] = {
    "icefall-transducer": ("modified_beam_search",),
    "icefall-ctc": ("prefix_beam_search",),
    "wenet-u2": ("prefix_beam_search", "attention_rescoring"),
    "nemo-ctc": ("prefix_beam_search",),
}
NEW, KNOWN = "names", "cities_in_noise"  # folders of the audio, and whose hotwords are asked for
LISTS = {"right": "names.txt", "1000": "names_1000.txt"}
SCORES = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)

Names = Mapping[str, Sequence[str]]  # phrases by the size of their list

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Set:
    """Utterances by their ids."""

    waveforms: Waveforms
    texts: Mapping[str, str]

    def take(self, names: Sequence[str]) -> "Set":
        return Set(
            {name: self.waveforms[name] for name in names},
            {name: self.texts[name] for name in names},
        )


@dataclass(frozen=True)
class Result:
    """names: whose hotwords.  hotwords: "none", the "right" ones, or a "1000" with them among them.

    said, heard, correct: of the right ones.
    """

    names: str
    model: str
    decoding: str
    hotwords: str
    score: float
    set: str
    words: int
    errors: int
    said: int
    heard: int
    correct: int

    @property
    def wer(self) -> float:
        return 100 * self.errors / self.words

    @property
    def f1(self) -> float:
        return 200 * self.correct / max(1, self.said + self.heard)


class Memory:
    """A Runner that runs an encoder's batch once, however often it is asked."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.known: dict[bytes, Tensors] = {}

    def run(self, graph: str, batches: Sequence[Tensors]) -> list[Tensors]:
        if graph != "encoder":
            return self.runner.run(graph, batches)
        keys = [hashlib.sha256(batch["WAV"].tobytes()).digest() for batch in batches]
        for key, batch in zip(keys, batches, strict=True):
            if key not in self.known:
                self.known[key] = self.runner.run(graph, [batch])[0]
        return [self.known[key] for key in keys]


def read_set(folder: Path) -> Set:
    utterances = read_wav_scp(folder / "wav.scp")
    return Set(workload.read(utterances, SAMPLE_RATE), read_text(folder / "text"))


def halves(names: Set) -> dict[str, Set]:
    """Even numbers are for choices, odd ones are reported."""
    found: dict[str, list[str]] = {"development": [], "reported": []}
    for name in names.texts:
        is_odd = int(name.rpartition("-")[2]) % 2
        found["reported" if is_odd else "development"].append(name)
    return {half: names.take(ids) for half, ids in found.items()}


def load(folder: Path, decoding: Decoding) -> Pipeline:
    """A served model's pipeline, whose encoder is asked once."""
    choices = Choices(decoding=decoding, max_sub_batch=1)
    pipeline = load_pipeline(folder, choices)
    return Pipeline(pipeline.spec, choices, Memory(pipeline.runner), pipeline.tokens)


def hear(pipeline: Pipeline, spoken: Set, graph: ContextGraph | None) -> dict[str, str]:
    asked = replace(pipeline.defaults, beam=replace(pipeline.defaults.beam, hotwords=graph))
    ids = list(spoken.waveforms)
    heard: dict[str, str] = {}
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        waveforms = [spoken.waveforms[name] for name in batch]
        texts = [each.text for each in pipeline.transcribe(waveforms, [asked] * len(batch))]
        heard.update(zip(batch, texts, strict=True))
    return heard


def judge(texts: Mapping[str, str], heard: Mapping[str, str], names: Sequence[str]) -> list[int]:
    """Words and errors; names said, heard and correct."""
    counts = score_words(texts, heard, "word").counts
    hits = score_hotwords(texts, heard, names).total
    return [counts.reference_units, counts.errors, hits.said, hits.heard, hits.correct]


def measure(folder: Path, sets: Mapping[str, Set], lists: Mapping[str, Names]) -> Iterator[Result]:
    """Of a model: without hotwords, then with each list at each score.

    sets: by `<folder> <half>`, or the held-out list's name.  lists: by folder, then by size.
    """
    for decoding in SEARCHES[folder.name]:
        pipeline = load(folder / "1", decoding)
        symbols = pipeline.tokens.symbols
        phrases = load_phrases(pipeline.spec, pipeline.choices, folder / "1", symbols)
        assert phrases, "each of these searches takes hotwords"
        asked = [("none", 0.0), *((size, score) for size in LISTS for score in SCORES)]
        for (names, list_of), (size, score) in itertools.product(lists.items(), asked):
            hotwords = tuple(Hotword(name, score) for name in list_of.get(size, ()))
            graph = phrases.compile(hotwords)
            for which, spoken in sets.items():
                heard = hear(pipeline, spoken, graph)
                counts = judge(spoken.texts, heard, list_of["right"])
                found = Result(names, folder.name, decoding, size, score, which, *counts)
                logger.info("%s: F1 %.1f, WER %.2f", found, found.f1, found.wer)
                yield found


def read_all(audio: Path, heldout: Path) -> tuple[dict[str, Set], dict[str, Names]]:
    """Sets and lists as measure takes them."""
    sets = {"heldout": read_set(heldout)}
    lists: dict[str, Names] = {}
    for name in (NEW, KNOWN):
        halved = halves(read_set(audio / name))
        sets.update({f"{name} {half}": spoken for half, spoken in halved.items()})
        lists[name] = {
            size: [each.phrase for each in read_hotwords(audio / name / file)]
            for size, file in LISTS.items()
        }
    return sets, lists


def table(results: Sequence[Result], names: str) -> Iterator[str]:
    """By score: F1 and WER of the reported half, WER of the held-out list."""
    by_key = {
        (each.model, each.decoding, each.hotwords, each.score, each.set): each
        for each in results
        if each.names == names
    }
    yield "| | hotwords | " + " | ".join(["none", *(f"{score:g}" for score in SCORES)]) + " |"
    yield "|---|---|" + "---|" * (1 + len(SCORES))
    for model, decoding in dict.fromkeys(key[:2] for key in by_key):
        for size in LISTS:
            cells = []
            for used, score in [("none", 0.0), *((size, score) for score in SCORES)]:
                reported = by_key[model, decoding, used, score, f"{names} reported"]
                held_out = by_key[model, decoding, used, score, "heldout"]
                cells.append(f"{reported.f1:.1f}, {reported.wer:.1f}, {held_out.wer:.2f}")
            yield f"| {model}, {decoding} | {size} | " + " | ".join(cells) + " |"


def main(
    repo: Annotated[Path | None, typer.Argument(help="Models by their families' names.")] = None,
    audio: Annotated[Path | None, typer.Argument(help="What training.names wrote.")] = None,
    heldout: Annotated[Path | None, typer.Argument(help="The 600 of training.heldout.")] = None,
    json: Annotated[Path | None, typer.Option(help="Where to write every count.")] = None,
    only: Annotated[str, typer.Option(help="Models, with commas between.")] = ",".join(SEARCHES),
    table_of: Annotated[Path | None, typer.Option("--table", help="Render this record.")] = None,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if table_of:
        record = json_format.loads(table_of.read_text(encoding="utf-8"))
        results = [Result(**each) for each in record["results"]]
    elif repo and audio and heldout:
        given = read_all(audio, heldout)
        results = [found for model in only.split(",") for found in measure(repo / model, *given)]
    else:
        raise typer.BadParameter("give REPO, AUDIO and HELDOUT, or --table")
    if json and not table_of:
        here = json_format.dumps(machine.describe(), default=vars)
        lines = ",\n".join(json_format.dumps(asdict(each)) for each in results)
        text = f'{{"machine": {here},\n"results": [\n{lines}\n]}}\n'
        json.write_text(text, encoding="utf-8")
    for names in (NEW, KNOWN):
        typer.echo("\n".join([names, "", *table(results, names), ""]))


if __name__ == "__main__":
    typer.run(main)
