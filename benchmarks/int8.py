"""What int8 gains and costs: one checkpoint served in fp32 and in int8, on one server.

    auricle build FAMILY --from CHECKPOINT --name NAME-fp32 --repo REPO
    auricle build FAMILY --from CHECKPOINT --name NAME-int8 --repo REPO --precision int8
    auricle serve --repo REPO
    python benchmarks/int8.py NAME AUDIO... --repo REPO --results docs/raw/NAME --wer-set SET

Both models take the same load in turn (ABAB), the other waits idle. With --wer-set, which may be
given more than once, they first decode transcribed speech in this process. Writes
RESULTS-fp32.json and RESULTS-int8.json, which table.py renders.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import served_model
import typer

from auricle.client.bench import experiment, machine, triton, workload
from auricle.client.bench.load import Load
from auricle.client.bench.record import Measured, Record
from auricle.client.bench.report import markdown, summarise
from auricle.client.manifests import find_audio
from auricle.gate.decoding import Model
from auricle.gate.speech import read_speech
from auricle.gate.verdict import Comparison, Heard, compare

PRECISIONS = ("fp32", "int8")
SAMPLE_RATE = 16000

Details = dict[str, object]


@dataclass(frozen=True)
class Task:
    """What each model is asked to do in a run, and how often."""

    waveforms: workload.Waveforms
    load: Load
    requests: int
    rounds: int


def hear(repository: Path, name: str, folder: Path) -> Comparison:
    plain, reduced = (
        Model(each, path / "1", served_model.read_choices(path))
        for each in PRECISIONS
        for path in [repository / f"{name}-{each}"]
    )
    return compare(plain, reduced, read_speech(folder), lambda _: None)


def accuracy(heard: Heard) -> Details:
    """The score, and the transcripts with errors."""
    counts = heard.score.counts
    wrong = {one.id: one.hypothesis for one in heard.score.utterances if one.is_wrong}
    return {
        "error_rate": heard.score.error_rate,
        "errors": counts.errors,
        "reference_units": counts.reference_units,
        "unit": heard.score.unit,
        "wrong": wrong,
    }


def graph_bytes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.glob("1/*.onnx"))}


async def alternate(
    targets: dict[str, triton.Target], task: Task, details: dict[str, Details]
) -> dict[str, Record]:
    """fp32, int8, fp32, int8 ...: a record of each."""
    here = machine.describe()
    plan = experiment.Plan(task.waveforms, SAMPLE_RATE, [task.load])
    truths = {each: await experiment.find_truth(target, plan) for each, target in targets.items()}
    measured: dict[str, list[Measured]] = {each: [] for each in targets}
    for seed in range(task.rounds):
        order = workload.order(len(task.waveforms), task.requests, seed)
        for each, target in targets.items():
            pid = machine.find_server(target.url)
            done = await triton.count_run(target, order, task.load, pid)
            summary = summarise(done, truths[each], target.model)
            typer.echo(f"{each}: {summary.throughput:.1f} audio s/s", err=True)
            measured[each].append(Measured(done, summary))
    version = await targets["fp32"].server_version()
    return {
        each: Record(here, version, target.model, truths[each], measured[each], details[each])
        for each, target in targets.items()
    }


async def connect(
    url: str, name: str, task: Task, details: dict[str, Details]
) -> dict[str, Record]:
    async with (
        triton.connect(url, f"{name}-fp32") as plain,
        triton.connect(url, f"{name}-int8") as reduced,
    ):
        return await alternate(dict(zip(PRECISIONS, (plain, reduced), strict=True)), task, details)


def gain(records: dict[str, Record]) -> str:
    plain, reduced = (
        [each.summary.throughput for each in records[precision].measured]
        for precision in PRECISIONS
    )
    ratios = [after / before for before, after in zip(plain, reduced, strict=True)]
    return (
        f"\nint8 / fp32, round by round: median {median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


def main(  # noqa: PLR0913, PLR0917
    name: Annotated[str, typer.Argument(help="Of the models NAME-fp32 and NAME-int8.")],
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    repo: Annotated[Path, typer.Option(help="Where the served models lie.")],
    results: Annotated[str, typer.Option(help="Path and start of the files to write.")],
    wer_set: Annotated[list[Path] | None, typer.Option(help="Folders of wav.scp, text.")] = None,
    url: Annotated[str, typer.Option(help="The server's gRPC address.")] = "localhost:8001",
    concurrency: Annotated[int, typer.Option(help="Callers, each in a closed loop.")] = 32,
    seconds: Annotated[str, typer.Option(help="Join audio to such lengths.")] = "2:15",
    mixes: Annotated[int, typer.Option(help="The number of such lengths.")] = 96,
    requests: Annotated[int, typer.Option(help="In a run.")] = 192,
    rounds: Annotated[int, typer.Option(help="Runs of each model, in turn.")] = 5,
) -> None:
    details: dict[str, Details] = {
        each: {"graph_bytes": graph_bytes(repo / f"{name}-{each}")} for each in PRECISIONS
    }
    for folder in wer_set or []:
        comparison = hear(repo, name, folder)
        typer.echo("\n".join(comparison.report()))
        for each, heard in zip(PRECISIONS, (comparison.plain, comparison.reduced), strict=True):
            details[each][f"accuracy on {folder.name}"] = accuracy(heard)
    audio = workload.read(find_audio(files), SAMPLE_RATE)
    waveforms = workload.mix(audio, workload.parse_mix(seconds, mixes, seed=1), SAMPLE_RATE)
    task = Task(waveforms, Load(concurrency), requests, rounds)
    records = asyncio.run(connect(url, name, task, details))
    for each, record in records.items():
        record.save(Path(f"{results}-{each}.json"))
        typer.echo(f"\n{each}\n" + markdown(one.summary for one in record.measured))
    typer.echo(gain(records))


if __name__ == "__main__":
    typer.run(main)
