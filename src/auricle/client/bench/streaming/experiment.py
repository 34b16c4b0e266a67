"""The whole benchmark of streams: truth first, then levels, until the largest one is found."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from auricle.audio import Waveform
from auricle.client.bench import machine, workload
from auricle.client.bench.report import Truth
from auricle.client.bench.run import Counters
from auricle.client.bench.streaming.level import Level, hold
from auricle.client.bench.streaming.report import LevelRun, StreamSummary, is_sustained, summarise
from auricle.client.bench.streaming.talk import Heard
from auricle.errors import AuricleError, ManifestError

FINENESS = 32  # the search ends where the levels left are 1/32 apart


class Target(Protocol):
    """A server that hears streams."""

    @property
    def model(self) -> str: ...

    def prepare(
        self, waveforms: Sequence[Waveform], sample_rate: int, chunk_ms: float, /
    ) -> None: ...

    async def speak(self, index: int, start: float | None = None, /) -> Heard:
        """Waveform `index` as a stream of its own, by a Talk."""

    async def counters(self) -> dict[str, Counters]:
        """The server's own, by model; it may have none."""


@dataclass(frozen=True)
class StreamPlan:
    """chunk_ms: of audio in each request.  seconds: of each level.

    streams: of the levels; none is a search for the largest that is sustained.
    repeats: of each level, most of which decide.  is_together: all chunks come at once.
    server_pid: whose time to watch.
    """

    waveforms: workload.Waveforms
    sample_rate: int
    chunk_ms: float
    seconds: float
    streams: Sequence[int] = ()
    repeats: int = 1
    is_together: bool = False
    seed: int = 1
    server_pid: int | None = None


@dataclass(frozen=True)
class MeasuredLevel:
    run: LevelRun
    summary: StreamSummary


Measure = Callable[[int, int], Awaitable[MeasuredLevel]]  # so many streams, the how manieth time


async def find_truth(
    target: Target, plan: StreamPlan, expected: Mapping[str, str] | None = None
) -> Truth:
    """The text of each waveform as the only stream, or else what is expected; the warm-up, too.

    Any failure ends it; a waveform without an expected transcript is a ManifestError.
    """
    missing = sorted(set(plan.waveforms) - set(expected)) if expected is not None else []
    if missing:
        raise ManifestError(f"no transcript is given for {len(missing)}, such as {missing[0]!r}")
    waveforms = list(plan.waveforms.values())
    target.prepare(waveforms, plan.sample_rate, plan.chunk_ms)
    texts = []
    for index, name in enumerate(plan.waveforms):
        heard = await target.speak(index)
        if heard.text is None:
            raise AuricleError(f"{name} cannot be streamed: {heard.error}")
        texts.append(heard.text if expected is None else expected[name])
    return Truth(list(plan.waveforms), [len(each) / plan.sample_rate for each in waveforms], texts)


async def measure(target: Target, plan: StreamPlan, truth: Truth) -> AsyncIterator[MeasuredLevel]:
    """The levels of the plan, or those of a search."""

    async def measure_one(streams: int, repeat: int) -> MeasuredLevel:
        run = await run_level(target, plan, truth, streams, repeat)
        return MeasuredLevel(run, summarise(run, truth, target.model))

    if not plan.streams:
        async for each in search(measure_one, plan.repeats):
            yield each
    for repeat in range(plan.repeats):  # in turn: what disturbs the machine disturbs all of them
        for streams in plan.streams:
            yield await measure_one(streams, repeat)


async def search(
    measure: Measure, repeats: int = 1, first: int = 1
) -> AsyncIterator[MeasuredLevel]:
    """Twice as many streams until they are too many, then halves between the last two levels.

    first: the level to begin with.
    """
    held, broken = 0, None
    while broken is None or broken - held > max(1, held // FINENESS):
        streams = (held + broken) // 2 if broken else max(first, 2 * held)
        summaries = []
        for repeat in range(repeats):
            each = await measure(streams, repeat)
            summaries.append(each.summary)
            yield each
        if is_sustained(summaries):
            held = streams
        else:
            broken = streams


async def run_level(
    target: Target, plan: StreamPlan, truth: Truth, streams: int, repeat: int = 0
) -> LevelRun:
    """So many streams of the plan's waveforms, the how manieth time."""
    seed = plan.seed + repeat
    level = Level(streams, plan.seconds, plan.chunk_ms / 1e3, seed, plan.is_together)
    number = len(truth.names)
    order = (
        index for turn in count() for index in workload.order(number, number, level.seed + turn)
    )
    before = await target.counters()
    async with machine.watched(plan.server_pid) as server:
        start, cpu = time.perf_counter(), time.process_time()
        heard, begin = await hold(target.speak, order, truth.seconds, level)
        wall_s, client_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    after = await target.counters()
    grown = {name: after[name].since(before.get(name, Counters())) for name in after}
    return LevelRun(level, begin, wall_s, client_cpu_s, heard, server, grown)
