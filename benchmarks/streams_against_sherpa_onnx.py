"""Auricle's real-time streams against sherpa-onnx's C++ server: same checkpoint, files and pace.

    auricle build icefall-transducer --from CHECKPOINT --name MODEL --repo REPO
    auricle serve --repo REPO
    python benchmarks/streams_against_sherpa_onnx.py CHECKPOINT AUDIO... --results docs/raw/streams

Tries a grid of sherpa-onnx's settings at one number of streams, searches for the most streams that
the best two sustain, and for Auricle's; then both in turn (ABAB), each round a search from
there to 5 %. The one waits idle, or is not running, while the other works. Writes
RESULTS-grid.json, RESULTS-sherpa-onnx.json and RESULTS-auricle.json, which table.py renders.

One latency for both: from the moment when the last sample of a chunk is spoken to the moment of the
first answer that covers all windows full by then. Both servers answer each of these chunks: Auricle
every request, sherpa-onnx every decoded window. A chunk that fills no window, as the first one of a
stream, counts for neither; the last one's answer is the final text. A chunk is as long as the
encoder's hop. Pacing, phases, sockets' client and clock are those of `auricle bench --streaming`;
a level is sustained if the 95th percentile over its chunks is under one chunk, and no stream
failed. Auricle's texts must also be those of the same audio alone; of sherpa-onnx's every one
counts, for they depend within rounding on what else was in the batch.

sherpa-onnx runs without endpoints, as Auricle does, and with the silence behind the last sample
that makes as many windows of an utterance as Auricle hears.
"""

import asyncio
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import sherpa_onnx_streams
import typer
from sherpa_onnx_server import Server, Setting
from streams_measured import Counted, Findings, Measure, Peer, say, search, tell, walk

from auricle.client import AsyncClient
from auricle.client.bench import machine, workload
from auricle.client.bench.streaming import experiment
from auricle.client.bench.streaming.experiment import MeasuredLevel, StreamPlan
from auricle.client.bench.streaming.report import markdown, summarise
from auricle.client.bench.streaming.target import StreamTarget, connect
from auricle.client.manifests import find_audio

BINARY = "sherpa-onnx-online-websocket-server"
SAMPLE_RATE = 16000
# Auricle hears windows over all frames and 30 of silence (serve/framing.py). sherpa-onnx decodes
# while more than T = 75 frames are left, so that silence of 75 + 30 gives as many windows.
TAIL_S = 1.05


async def try_grid(
    peer: Peer, grid: Sequence[Setting], intervals: Sequence[int], streams: int, seconds: float
) -> tuple[list[Setting], Findings]:
    """The settings, that of the lowest p95 first: the grid's, and its best two at all intervals."""
    assert peer.truth
    findings = Findings(peer.truth)
    late: dict[Setting, float] = {}

    async def try_one(setting: Setting) -> None:
        async with peer.measuring(setting, seconds) as measure:
            level = await measure(streams, 0)
        findings.add(str(setting), [level])
        late[setting] = level.summary.chunk_ms.get("p95", float("inf"))
        say(f"{setting}: p95 {late[setting]:.0f} ms")

    for setting in grid:
        await try_one(setting)
    for setting, interval in itertools.product(_ranked(late)[:2], intervals):
        other = replace(setting, interval_ms=interval)
        if other not in late:
            await try_one(other)
    return _ranked(late), findings


async def choose(
    peer: Peer, best: Sequence[Setting], findings: Findings, first: int
) -> tuple[Setting, int]:
    """The setting that sustains the most streams, and how many."""
    held = {}
    for setting in best:
        async with peer.measuring(setting, peer.plan.seconds) as measure:
            held[setting], levels = await search(measure, first)
        findings.add(f"search, {setting}", levels)
        say(f"search, {setting}: {held[setting]} sustained")
    setting = max(held, key=lambda each: held[each])
    return setting, held[setting]


@dataclass(frozen=True)
class Task:
    """grid: sherpa-onnx's settings.  streams, grid_seconds: of each level that ranks them."""

    peer: Peer
    grid: Sequence[Setting]
    intervals: Sequence[int]
    streams: int
    grid_seconds: float
    rounds: int
    results: str

    async def run(self, url: str, model_name: str | None) -> None:
        async with AsyncClient(url, model=model_name) as client:
            model = await client.model()
        async with connect(url, model) as target:
            await self._compare(target, machine.find_server(url))

    async def _compare(self, target: StreamTarget, pid: int | None) -> None:
        plan = replace(self.peer.plan, server_pid=pid)
        chunk = round(plan.chunk_ms * SAMPLE_RATE / 1000)
        filled = [self.peer.windows.by_chunk(len(each), chunk) for each in plan.waveforms.values()]
        counted = Counted(target, filled)
        ours = Findings(await experiment.find_truth(counted, plan))

        async def measure(streams: int, repeat: int) -> MeasuredLevel:
            run = await experiment.run_level(counted, plan, ours.truth, streams, repeat)
            return tell(MeasuredLevel(run, summarise(run, ours.truth, target.model)))

        async with self.peer.serving(self.grid[0]) as (theirs_alone, _):
            peer = replace(self.peer, truth=await experiment.find_truth(theirs_alone, plan))
        theirs, best, held = await self._tune(peer)
        our_held, levels = await search(measure, held or 1)
        ours.add("search", levels)
        say(f"search, Auricle: {our_held} sustained")
        for repeat in range(1, self.rounds + 1):
            label = f"round {repeat}"
            async with peer.measuring(best, plan.seconds) as measure_theirs:
                await _walk_round(theirs, label, measure_theirs, held, repeat)
            await _walk_round(ours, label, measure, our_held, repeat)
            say(f"{label}: {theirs.sustained[-1]} and {ours.sustained[-1]} sustained")
        await self._save(target, theirs, ours, best)

    async def _tune(self, peer: Peer) -> tuple[Findings, Setting, int]:
        ranked, tried = await try_grid(
            peer, self.grid, self.intervals, self.streams, self.grid_seconds
        )
        facts = self._facts() | {"seconds": self.grid_seconds}
        grid_record = tried.record(BINARY, str(peer.server.checkpoint), facts)
        grid_record.save(Path(f"{self.results}-grid.json"))
        assert peer.truth
        theirs = Findings(peer.truth)
        best, held = await choose(peer, ranked[:2], theirs, self.streams)
        return theirs, best, held

    async def _save(
        self, target: StreamTarget, theirs: Findings, ours: Findings, best: Setting
    ) -> None:
        pairs = zip(ours.truth.transcripts, theirs.truth.transcripts, strict=True)
        facts = self._facts() | {
            "setting": asdict(best),
            "equal_transcripts": sum(one == other for one, other in pairs),
        }
        version = await target.server.server_version()
        checkpoint = str(self.peer.server.checkpoint)
        their_record = theirs.record(BINARY, checkpoint, facts)
        our_record = ours.record(version, target.model, facts)
        their_record.save(Path(f"{self.results}-sherpa-onnx.json"))
        our_record.save(Path(f"{self.results}-auricle.json"))
        for name, each in (("sherpa-onnx", theirs), ("Auricle", ours)):
            typer.echo(f"{name}: {_spread(each.sustained)} streams sustained\n")
            typer.echo(_table(each) + "\n")
        typer.echo(_conclude(theirs, ours, facts))

    def _facts(self) -> dict[str, object]:
        plan = self.peer.plan
        return {
            "chunk_ms": plan.chunk_ms,
            "seconds": plan.seconds,
            "flags": list(self.peer.server.flags),
        }


async def _walk_round(
    findings: Findings, label: str, measure: Measure, first: int, repeat: int
) -> None:
    held, levels = await walk(measure, max(first, 1), repeat)
    findings.add(label, levels)
    findings.sustained.append(held)


def _ranked(late: dict[Setting, float]) -> list[Setting]:
    return sorted(late, key=lambda setting: late[setting])


def _table(findings: Findings) -> str:
    return markdown(
        [each.summary for _, each in findings.levels], [label for label, _ in findings.levels]
    )


def _spread(values: Sequence[float], form: str = "g") -> str:
    if not values:
        return "none"
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def _conclude(theirs: Findings, ours: Findings, facts: dict[str, object]) -> str:
    pairs = zip(ours.sustained, theirs.sustained, strict=True)
    ratios = [mine / other for mine, other in pairs if other]
    return (
        f"Auricle / sherpa-onnx, round by round: {_spread(ratios, '.2f')}. "
        f"{facts['equal_transcripts']} of {len(ours.truth.names)} transcripts are equal."
    )


def main(  # noqa: PLR0913, PLR0917
    checkpoint: Annotated[Path, typer.Argument(help="icefall's streaming transducer.")],
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    results: Annotated[str, typer.Option(help="Path and start of the files to write.")],
    binary: Annotated[str, typer.Option(help="sherpa-onnx's server.")] = BINARY,
    port: Annotated[int, typer.Option(help="For sherpa-onnx's server.")] = 6006,
    url: Annotated[str, typer.Option(help="Auricle's gRPC address.")] = "localhost:8001",
    model_name: Annotated[str | None, typer.Option(help="Auricle's model.")] = None,
    work_threads: Annotated[str, typer.Option(help="Of the grid.")] = "1,2,3",
    threads: Annotated[str, typer.Option(help="Of the grid.")] = "1,2",
    batch: Annotated[str, typer.Option(help="Of the grid.")] = "1,4,8",
    intervals: Annotated[str, typer.Option(help="For the grid's best two, ms.")] = "10,50",
    streams: Annotated[int, typer.Option(help="That rank the grid; searches start here.")] = 48,
    tail_padding: Annotated[float, typer.Option(help="sherpa-onnx's, seconds.")] = TAIL_S,
    seconds: Annotated[str, typer.Option(help="Join audio to such lengths.")] = "4:8",
    mixes: Annotated[int, typer.Option(help="The number of such lengths.")] = 24,
    grid_seconds: Annotated[float, typer.Option(help="Of each level of the grid.")] = 5,
    level_seconds: Annotated[float, typer.Option(help="Of each other level.")] = 10,
    rounds: Annotated[int, typer.Option(help="Of both servers, in turn.")] = 5,
) -> None:
    program = shutil.which(binary)
    if not program:
        raise typer.BadParameter(f"no {binary}; `pip install sherpa-onnx-bin==2.0.1` brings it")
    metadata = sherpa_onnx_streams.read_metadata(checkpoint)
    windows = sherpa_onnx_streams.parse_windows(metadata)
    flags = (
        f"--model-type={metadata['model_type']}",
        "--enable-endpoint=false",
        f"--end-tail-padding={tail_padding}",
    )
    workers, each, rows, waits = (
        [int(value) for value in axis.split(",")]
        for axis in (work_threads, threads, batch, intervals)
    )
    grid = [Setting(*three, waits[0]) for three in itertools.product(workers, each, rows)]
    audio = workload.read(find_audio(files), SAMPLE_RATE)
    mixed = workload.mix(audio, workload.parse_mix(seconds, mixes, seed=1), SAMPLE_RATE)
    chunk_ms = windows.hop / SAMPLE_RATE * 1000
    plan = StreamPlan(mixed, SAMPLE_RATE, chunk_ms, level_seconds)
    peer = Peer(Server(program, checkpoint, port, flags), windows, plan)
    task = Task(peer, grid, waits, streams, grid_seconds, rounds, results)
    asyncio.run(task.run(url, model_name))


if __name__ == "__main__":
    typer.run(main)
