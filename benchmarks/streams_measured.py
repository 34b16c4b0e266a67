"""What streams_against_sherpa_onnx.py measures: levels of either server, searches, walks."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import typer
from sherpa_onnx_server import Server, Setting
from sherpa_onnx_streams import SherpaOnnx, Windows

from auricle.audio import Waveform
from auricle.client.bench import machine
from auricle.client.bench.report import Truth
from auricle.client.bench.run import Counters
from auricle.client.bench.streaming import experiment
from auricle.client.bench.streaming.experiment import MeasuredLevel, StreamPlan
from auricle.client.bench.streaming.record import StreamRecord
from auricle.client.bench.streaming.report import summarise
from auricle.client.bench.streaming.talk import Heard
from auricle.client.bench.streaming.target import StreamTarget

WARM_UP = 4  # utterances
STEP = 0.05  # of the streams, in a walk

Measure = Callable[[int, int], Awaitable[MeasuredLevel]]


@dataclass(frozen=True)
class Peer:
    """sherpa-onnx's server and what it is asked to hear.  truth: each waveform's text alone."""

    server: Server
    windows: Windows
    plan: StreamPlan
    truth: Truth | None = None

    @asynccontextmanager
    async def serving(self, setting: Setting) -> AsyncIterator[tuple[SherpaOnnx, int]]:
        """A fresh server that has heard a few utterances, and its process id."""
        target = SherpaOnnx(self.server.port, self.windows)
        plan = self.plan
        target.prepare(list(plan.waveforms.values()), plan.sample_rate, plan.chunk_ms)
        with self.server.serving(setting) as pid:
            for index in range(WARM_UP):
                await target.speak(index % len(plan.waveforms))
            yield target, pid

    @asynccontextmanager
    async def measuring(self, setting: Setting, seconds: float) -> AsyncIterator[Measure]:
        """Every answer counts; summary.mismatched says how many texts are others than alone."""
        async with self.serving(setting) as (target, pid):
            plan = replace(self.plan, seconds=seconds, server_pid=pid)
            truth = self.truth or await experiment.find_truth(target, plan)

            async def measure(streams: int, repeat: int) -> MeasuredLevel:
                run = await experiment.run_level(target, plan, truth, streams, repeat)
                counted = [_forgive(one, truth) for one in run.heard]
                strict = summarise(run, truth)
                summary = summarise(replace(run, heard=counted), truth)
                return tell(MeasuredLevel(run, replace(summary, mismatched=strict.mismatched)))

            yield measure


@dataclass(frozen=True)
class Counted:
    """Auricle's target, whose chunks that fill no window do not count."""

    target: StreamTarget
    filled: Sequence[Sequence[int]]  # windows, by waveform and chunk

    async def speak(self, index: int, start: float | None = None) -> Heard:
        heard = await self.target.speak(index, start)
        windows = [*self.filled[index][:-1], 1]  # the last chunk fills some at the end
        pairs = [
            (due_s, latency_s)
            for due_s, latency_s, count in zip(heard.dues_s, heard.latencies_s, windows)  # noqa: B905  # a failed stream has fewer
            if count
        ]
        dues_s, latencies_s = zip(*pairs, strict=True) if pairs else ((), ())
        return replace(heard, dues_s=list(dues_s), latencies_s=list(latencies_s))

    @property
    def model(self) -> str:
        return self.target.model

    def prepare(self, waveforms: Sequence[Waveform], sample_rate: int, chunk_ms: float) -> None:
        self.target.prepare(waveforms, sample_rate, chunk_ms)

    async def counters(self) -> dict[str, Counters]:
        return await self.target.counters()


@dataclass
class Findings:
    """levels: each with what it was part of.  sustained: streams, round by round."""

    truth: Truth
    levels: list[tuple[str, MeasuredLevel]] = field(default_factory=list)
    sustained: list[int] = field(default_factory=list)

    def add(self, label: str, levels: Sequence[MeasuredLevel]) -> None:
        self.levels += [(label, each) for each in levels]

    def record(self, server: str, model: str, facts: dict[str, object]) -> StreamRecord:
        labels = [label for label, _ in self.levels]
        measured = [each for _, each in self.levels]
        details = {**facts, "labels": labels, "sustained": self.sustained}
        return StreamRecord(machine.describe(), server, model, self.truth, measured, details)


async def search(measure: Measure, first: int) -> tuple[int, list[MeasuredLevel]]:
    """The most streams that were sustained, and all levels."""
    levels = [each async for each in experiment.search(measure, first=first)]
    return _most(levels), levels


async def walk(measure: Measure, first: int, repeat: int) -> tuple[int, list[MeasuredLevel]]:
    """The most streams that were sustained, to one step; and all levels.

    From `first` up or down by one step, two, four, until the most lies between two levels.
    """
    step = max(1, round(STEP * first))
    levels: list[MeasuredLevel] = []
    held, broken, streams, stride = 0, first + 1, first, step
    while True:
        levels.append(await measure(streams, repeat))
        if levels[-1].summary.is_sustained:
            held = streams
            broken = max(broken, held + 1)
        else:
            broken = streams
        has_broken = any(not each.summary.is_sustained for each in levels)
        if has_broken and (broken - held <= step or broken == 1):
            return held, levels
        if has_broken and held:
            streams = (held + broken) // 2
        else:
            streams = max(1, broken - stride) if has_broken else held + stride
            stride *= 2


def _most(levels: Sequence[MeasuredLevel]) -> int:
    return max((each.summary.streams for each in levels if each.summary.is_sustained), default=0)


def _forgive(heard: Heard, truth: Truth) -> Heard:
    return heard if heard.text is None else replace(heard, text=truth.transcripts[heard.index])


def tell(level: MeasuredLevel) -> MeasuredLevel:
    one = level.summary
    late = f"p95 {one.chunk_ms.get('p95', 0.0):.0f} ms"
    say(f"  {one.streams} streams: {late}, {one.failed} failed, {one.mismatched} texts differ")
    return level


def say(words: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {words}", err=True)
