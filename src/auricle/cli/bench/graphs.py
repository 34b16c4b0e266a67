"""auricle bench --graph: encoders alone over batch sizes, without a server."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.cli import EXIT_FAILED
from auricle.cli.bench import options, steps

if TYPE_CHECKING:
    from auricle.audio import Waveform
    from auricle.build.export.bench.experiment import Contender
    from auricle.build.export.bench.inputs import Speech
    from auricle.build.export.bench.table import Row
    from auricle.spec import PipelineSpec

PLANS = (".plan", ".engine")
SAMPLE_RATE = 16000  # Hz, of the shipped audio, and of a graph without a pipeline.json


@dataclass(frozen=True)
class Kinds:
    """What runs the graphs: "cpu", "cuda", "tensorrt"; threads of each on the CPU."""

    providers: Sequence[str]
    threads: int


@dataclass(frozen=True)
class Sizes:
    """seconds: of audio in each row, where the graph does not fix it."""

    batches: Sequence[int]
    seconds: float
    rounds: int
    seed: int


def parse_sizes(batch: str, seconds: str, rounds: int, seed: int) -> Sizes:
    return Sizes(options.parse_batches(batch), options.parse_length(seconds), rounds, seed)


@dataclass(frozen=True)
class Wanted:
    """The files that are asked for beside the table."""

    json: Path | None
    plot: Path | None


@dataclass(frozen=True)
class Subject:
    """A graph by a short name, and what pipeline.json says of it, where one is."""

    name: str
    path: Path
    facts: "PipelineSpec | None"

    @property
    def is_plan(self) -> bool:
        return self.path.suffix in PLANS


def measure(
    graphs: Sequence[Path], audio: steps.Named, kinds: Kinds, sizes: Sizes, wanted: Wanted
) -> None:
    """Print the table; a graph that ran with no batch at all ends the command by 1."""
    from auricle.build.export.bench import experiment
    from auricle.build.export.bench.table import markdown
    from auricle.client import figures
    from auricle.client.bench import machine

    if wanted.plot:
        figures.check()
    here = machine.describe()
    contenders = _contenders(find_subjects(graphs), audio, kinds, sizes)
    rows: list[Row] = []
    for found in experiment.measure(contenders, sizes.batches, sizes.rounds):
        rows += found
        typer.echo(
            f"batch {found[0].batch}: {sum(len(row.rounds) for row in found)} runs", err=True
        )
    kinds_in_order = [(one.name, one.provider) for one in contenders]
    rows.sort(key=lambda row: kinds_in_order.index((row.graph, row.provider)))
    typer.echo(markdown(rows))
    if wanted.json:
        facts = {"sizes": asdict(sizes), "kinds": asdict(kinds), "gpus": machine.find_gpus()}
        record = {"machine": asdict(here), **facts, "rows": [row.record() for row in rows]}
        wanted.json.write_text(json.dumps(record) + "\n", encoding="utf-8")
    if wanted.plot:
        _draw(rows, wanted.plot)
    ran = {(row.graph, row.provider) for row in rows if row.latency}
    if ran != set(kinds_in_order):
        raise typer.Exit(EXIT_FAILED)


def find_subjects(paths: Iterable[Path]) -> list[Subject]:
    """Graphs and plans as they are, and the encoder of a model's folder."""
    found = [_find(path) for path in paths]
    names = [one.name for one in found]
    return [
        one if names.count(one.name) == 1 else Subject(str(one.path), one.path, one.facts)
        for one in found
    ]


def _find(path: Path) -> Subject:
    from auricle import spec

    if path.is_dir():
        folder = path / "1" if (path / "1").is_dir() else path
        facts = spec.load(folder)
        encoder = folder / facts.graphs.get("encoder", "encoder.onnx")
        if not encoder.is_file():
            raise typer.BadParameter(f"{path} has no {encoder.name}; name the graph's own file")
        return Subject(path.resolve().name, encoder, facts)
    if not path.is_file():
        raise typer.BadParameter(f"no graph {path}")
    beside = (path.parent / spec.FILE_NAME).is_file()
    return Subject(path.name, path, spec.load(path.parent) if beside else None)


def _contenders(
    subjects: Sequence[Subject], audio: steps.Named, kinds: Kinds, sizes: Sizes
) -> "list[Contender]":
    """Each graph with each provider, each plan with TensorRT; all of them can run here."""
    from auricle.build.export.bench.onnx_graph import OnnxGraph

    found: list[Contender] = []
    for subject in subjects:
        speech = _speech(subject.facts, audio, sizes)
        if subject.is_plan:
            found.append(_plan(subject, subject.path, speech, sizes.rounds))
            continue
        for provider in kinds.providers:
            if provider == "tensorrt":
                plan = _plan_beside(subject)
                found.append(_plan(subject, plan, speech, sizes.rounds))
                continue
            found.append(OnnxGraph(subject.name, subject.path, speech, provider, kinds.threads))
    for one in found:
        one.check()
    return found


def _plan(subject: Subject, path: Path, speech: "Speech", rounds: int) -> "Contender":
    from auricle.build.export.bench.plan import Plan

    graph = path.with_suffix(".onnx")
    return Plan(subject.name, path, speech, graph if graph.is_file() else None, rounds)


def _plan_beside(subject: Subject) -> Path:
    paths = [subject.path.with_suffix(suffix) for suffix in PLANS]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise typer.BadParameter(
            f"no {paths[0]}: --provider tensorrt times a plan, which lies beside its graph or is "
            "named by --graph"
        )
    return found


def _speech(facts: "PipelineSpec | None", audio: steps.Named, sizes: Sizes) -> "Speech":
    from auricle.build.export.bench.inputs import Speech

    rate = facts.sample_rate if facts else SAMPLE_RATE
    waveforms = _read(audio, rate)
    stream = facts.streaming if facts else None
    hop_s = stream.hop / rate if stream else None
    prompt = facts.prompt if facts else None
    asked = {"LANGUAGE": prompt.languages, "TEXT_NORM": prompt.text_norms} if prompt else {}
    beside = {name: next(iter(numbers.values()), 0) for name, numbers in asked.items()}
    return Speech(waveforms, sizes.seconds, rate, hop_s, beside, sizes.seed)


def _read(audio: steps.Named, sample_rate: int) -> "list[Waveform]":
    from auricle.build.export.speech import load_waveforms

    if audio.files or audio.wavscp or sample_rate != SAMPLE_RATE:
        return list(steps.read_audio(audio, sample_rate).values())
    return load_waveforms(None, sample_rate)


def _draw(rows: "Sequence[Row]", path: Path) -> None:
    from auricle.client import figures

    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.qps:
            lines.setdefault(f"{row.graph}, {row.provider}", []).append((row.batch, row.qps))
    labels = figures.Labels("Encoders alone", "batch", "QPS (rows per second)")
    figures.save_lines(lines, labels, path)
