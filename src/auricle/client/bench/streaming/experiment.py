"""The whole benchmark of streams: truth first, then levels, until the largest one is found."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from auricle.client.bench import machine, workload
from auricle.client.bench.report import Truth
from auricle.client.bench.run import Counters
from auricle.client.bench.streaming.level import Level, hold
from auricle.client.bench.streaming.report import LevelRun, StreamSummary, summarise
from auricle.client.bench.streaming.target import StreamTarget
from auricle.errors import AuricleError, ManifestError

FINENESS = 32  # the search ends where the levels left are 1/32 apart


@dataclass(frozen=True)
class StreamPlan:
    """chunk_ms: of audio in each request.  seconds: of each level.

    streams: of the levels; none is a search for the largest that is sustained.
    server_pid: whose time to watch.
    """

    waveforms: workload.Waveforms
    sample_rate: int
    chunk_ms: float
    seconds: float
    streams: Sequence[int] = ()
    seed: int = 1
    server_pid: int | None = None


@dataclass(frozen=True)
class MeasuredLevel:
    run: LevelRun
    summary: StreamSummary


Measure = Callable[[int], Awaitable[MeasuredLevel]]


async def find_truth(
    target: StreamTarget, plan: StreamPlan, expected: Mapping[str, str] | None = None
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


async def measure(
    target: StreamTarget, plan: StreamPlan, truth: Truth
) -> AsyncIterator[MeasuredLevel]:
    """The levels of the plan, or those of a search."""

    async def measure_one(streams: int) -> MeasuredLevel:
        level = Level(streams, plan.seconds, plan.chunk_ms / 1e3, plan.seed)
        run = await _run(target, plan, truth, level)
        return MeasuredLevel(run, summarise(run, truth, target.server.model))

    if plan.streams:
        for streams in plan.streams:
            yield await measure_one(streams)
        return
    async for each in search(measure_one):
        yield each


async def search(measure: Measure) -> AsyncIterator[MeasuredLevel]:
    """Twice as many streams until they are too many, then halves between the last two levels."""
    held, broken = 0, None
    while broken is None or broken - held > max(1, held // FINENESS):
        streams = (held + broken) // 2 if broken else max(1, 2 * held)
        each = await measure(streams)
        if each.summary.is_sustained:
            held = streams
        else:
            broken = streams
        yield each


async def _run(target: StreamTarget, plan: StreamPlan, truth: Truth, level: Level) -> LevelRun:
    number = len(truth.names)
    order = (
        index for turn in count() for index in workload.order(number, number, plan.seed + turn)
    )
    before = await target.server.counters()
    async with machine.watched(plan.server_pid) as server:
        start, cpu = time.perf_counter(), time.process_time()
        heard, begin = await hold(target.speak, order, truth.seconds, level)
        wall_s, client_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    after = await target.server.counters()
    grown = {name: after[name].since(before.get(name, Counters())) for name in after}
    return LevelRun(level, begin, wall_s, client_cpu_s, heard, server, grown)
