"""Auricle's throughput against sherpa-onnx's C++ server: same checkpoint, same files, same load.

    auricle build icefall-transducer --from CHECKPOINT --name MODEL --repo REPO
    auricle serve --repo REPO
    python benchmarks/against_sherpa_onnx.py CHECKPOINT AUDIO... --results docs/raw/sherpa

Tries a grid of sherpa-onnx's settings, then runs the best of them and Auricle in turn (ABAB); the
one waits idle, or is not running, while the other works. Writes RESULTS-grid.json,
RESULTS-sherpa-onnx.json and RESULTS-auricle.json, which table.py renders.
"""

import asyncio
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import sherpa_onnx_server
import typer
from sherpa_onnx_server import Setting

from auricle.client import AsyncClient
from auricle.client.bench import experiment, machine, triton, workload
from auricle.client.bench.load import Load
from auricle.client.bench.record import Measured, Record
from auricle.client.bench.report import Truth, markdown, summarise
from auricle.client.bench.run import run
from auricle.client.manifests import find_audio

BINARY = "sherpa-onnx-offline-websocket-server"
SAMPLE_RATE = 16000


@dataclass(frozen=True)
class Task:
    """What each server is asked to do in a run."""

    waveforms: workload.Waveforms
    concurrency: int
    requests: int

    def order(self, seed: int) -> list[int]:
        return workload.order(len(self.waveforms), self.requests, seed)

    @property
    def load(self) -> Load:
        return Load(self.concurrency)


async def run_sherpa_onnx(
    server: sherpa_onnx_server.Server, setting: Setting, task: Task, seed: int
) -> tuple[Measured, Truth]:
    """One run on a fresh server, after a warm-up by every waveform.

    Every answer counts: they depend within rounding on what else was in the batch.
    """
    with server.serving(setting) as pid:
        async with sherpa_onnx_server.connect(
            server.port, task.waveforms, SAMPLE_RATE, task.concurrency
        ) as send:
            transcripts = [await send(index) for index in range(len(task.waveforms))]
            done = await run(send, task.order(seed), task.load, pid)
    seconds = [len(waveform) / SAMPLE_RATE for waveform in task.waveforms.values()]
    truth = Truth(list(task.waveforms), seconds, transcripts)
    counted = [replace(each, text=transcripts[each.index]) for each in done.answers]
    label = f"sherpa-onnx, {setting}, {task.load}"
    return Measured(done, summarise(replace(done, answers=counted, load=label), truth)), truth


async def run_auricle(target: triton.Target, truth: Truth, task: Task, seed: int) -> Measured:
    pid = machine.find_server(target.url)
    done = await triton.count_run(target, task.order(seed), task.load, pid)
    label = f"auricle, {task.load}"
    return Measured(done, summarise(replace(done, load=label), truth, target.model))


async def search(
    server: sherpa_onnx_server.Server, grid: Sequence[Setting], task: Task, path: Path
) -> Setting:
    """The setting of the highest throughput."""
    here, measured = machine.describe(), []
    for setting in grid:
        found, truth = await run_sherpa_onnx(server, setting, task, seed=1)
        typer.echo(f"{setting}: {found.summary.throughput:.1f} audio s/s", err=True)
        measured.append(found)
    model = str(server.checkpoint)
    Record(here, BINARY, model, truth, measured, {}).save(path)
    throughputs = [found.summary.throughput for found in measured]
    return grid[throughputs.index(max(throughputs))]


async def alternate(
    server: sherpa_onnx_server.Server, best: Setting, target: triton.Target, task: Task, rounds: int
) -> tuple[Record, Record]:
    """sherpa-onnx, Auricle, sherpa-onnx, Auricle ...: records of `rounds` runs of each."""
    here, theirs, ours = machine.describe(), [], []
    plan = experiment.Plan(task.waveforms, SAMPLE_RATE, [task.load])
    our_truth = await experiment.find_truth(target, plan)
    for seed in range(rounds):
        found, their_truth = await run_sherpa_onnx(server, best, task, seed)
        theirs.append(found)
        ours.append(await run_auricle(target, our_truth, task, seed))
    pairs = zip(our_truth.transcripts, their_truth.transcripts, strict=True)
    facts: dict[str, object] = {
        "setting": asdict(best),
        "equal_transcripts": sum(one == other for one, other in pairs),
    }
    version = await target.server_version()
    return (
        Record(here, BINARY, str(server.checkpoint), their_truth, theirs, facts),
        Record(here, version, target.model, our_truth, ours, facts),
    )


def main(  # noqa: PLR0913, PLR0917
    checkpoint: Annotated[Path, typer.Argument(help="icefall's offline transducer.")],
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    results: Annotated[str, typer.Option(help="Path and start of the files to write.")],
    binary: Annotated[str, typer.Option(help="sherpa-onnx's server.")] = BINARY,
    port: Annotated[int, typer.Option(help="For sherpa-onnx's server.")] = 6006,
    url: Annotated[str, typer.Option(help="Auricle's gRPC address.")] = "localhost:8001",
    model_name: Annotated[str | None, typer.Option(help="Auricle's model.")] = None,
    work_threads: Annotated[str, typer.Option(help="Of the grid.")] = "1,2,3",
    threads: Annotated[str, typer.Option(help="Of the grid.")] = "1,2",
    batch: Annotated[str, typer.Option(help="Of the grid.")] = "1,2,4,8",
    concurrency: Annotated[int, typer.Option(help="Callers, each in a closed loop.")] = 32,
    seconds: Annotated[str, typer.Option(help="Join audio to such lengths.")] = "2:15",
    mixes: Annotated[int, typer.Option(help="The number of such lengths.")] = 96,
    requests: Annotated[int, typer.Option(help="In a run.")] = 192,
    rounds: Annotated[int, typer.Option(help="Runs of each server, in turn.")] = 5,
) -> None:
    program = shutil.which(binary)
    if not program:
        raise typer.BadParameter(f"no {binary}; `pip install sherpa-onnx-bin==2.0.1` brings it")
    server = sherpa_onnx_server.Server(program, checkpoint, port)
    audio = workload.read(find_audio(files), SAMPLE_RATE)
    mix = workload.parse_mix(seconds, mixes, seed=1)
    task = Task(workload.mix(audio, mix, SAMPLE_RATE), concurrency, requests)
    axes = ([int(value) for value in axis.split(",")] for axis in (work_threads, threads, batch))
    grid = [Setting(*values) for values in itertools.product(*axes)]

    async def compare() -> tuple[Record, Record]:
        best = await search(server, grid, task, Path(f"{results}-grid.json"))
        async with AsyncClient(url, model=model_name) as client:
            model = await client.model()
        async with triton.connect(url, model) as target:
            return await alternate(server, best, target, task, rounds)

    theirs, ours = asyncio.run(compare())
    theirs.save(Path(f"{results}-sherpa-onnx.json"))
    ours.save(Path(f"{results}-auricle.json"))
    typer.echo(markdown(each.summary for each in [*theirs.measured, *ours.measured]))
    typer.echo(_compare(theirs, ours))


def _compare(theirs: Record, ours: Record) -> str:
    ratios = [
        mine.summary.throughput / other.summary.throughput
        for mine, other in zip(ours.measured, theirs.measured, strict=True)
    ]
    return (
        f"\nAuricle / sherpa-onnx, round by round: median {median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}). "
        f"{ours.details['equal_transcripts']} of {len(ours.truth.names)} transcripts are equal."
    )


if __name__ == "__main__":
    typer.run(main)
