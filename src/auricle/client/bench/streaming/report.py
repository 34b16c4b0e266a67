"""What was heard -> figures -> a Markdown table and the sentence that sums it up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from auricle.client.bench.machine import Usage
from auricle.client.bench.report import Truth
from auricle.client.bench.run import Counters
from auricle.client.bench.streaming.level import Level
from auricle.client.bench.streaming.talk import Heard
from auricle.client.times import percentiles_ms


@dataclass(frozen=True)
class LevelRun:
    """begin: of the level, by time.perf_counter.  counters: Triton's own meanwhile, by model."""

    level: Level
    begin: float
    wall_s: float
    client_cpu_s: float
    heard: Sequence[Heard]
    server: Sequence[Usage] = ()
    counters: Mapping[str, Counters] = field(default_factory=dict)


@dataclass(frozen=True)
class StreamSummary:
    """The figures of one level.

    failed: streams that ended by an error or with another text than alone.
    chunk_ms: of all chunks that were due while all streams ran.  final_ms, first_text_ms: of each
    utterance, from its last sample to its final text, and from its first to the first text.
    step_ms: wall time of the model's executions for each chunk.  cpu_ms: the server's processor
    time for each, which instances that wait for a core do not swell.
    is_sustained: nothing failed, and the 95th percentile of chunk_ms is under one chunk.
    """

    streams: int
    utterances: int
    failed: int
    mismatched: int
    chunks: int
    chunk_ms: dict[str, float]
    final_ms: dict[str, float]
    first_text_ms: dict[str, float]
    batch: float | None
    step_ms: float | None
    cpu_ms: float | None
    client_cores: float
    server_cores: float | None
    is_sustained: bool


def summarise(run: LevelRun, truth: Truth, model: str | None = None) -> StreamSummary:
    """model: whose counters count."""
    answered = [one for one in run.heard if one.text is not None]
    right = [one for one in answered if one.text == truth.transcripts[one.index]]
    failed = len(run.heard) - len(right)
    until = run.begin + run.level.seconds
    chunks = [
        latency_s
        for one in run.heard
        for due_s, latency_s in zip(one.dues_s, one.latencies_s, strict=True)
        if due_s <= until
    ]
    chunk_ms = percentiles_ms(chunks)
    counted = run.counters.get(model or "", Counters())
    return StreamSummary(
        streams=run.level.streams,
        utterances=len(run.heard),
        failed=failed,
        mismatched=len(answered) - len(right),
        chunks=len(chunks),
        chunk_ms=chunk_ms,
        final_ms=percentiles_ms(one.latencies_s[-1] for one in answered),
        first_text_ms=percentiles_ms(
            one.first_text_s for one in answered if one.first_text_s is not None
        ),
        batch=counted.inferences / counted.executions if counted.executions else None,
        step_ms=counted.busy_ns / counted.requests / 1e6 if counted.requests else None,
        cpu_ms=_cpu_ms(run),
        client_cores=run.client_cpu_s / run.wall_s,
        server_cores=_cores(run.server),
        is_sustained=not failed and chunk_ms.get("p95", inf) < 1e3 * run.level.chunk_s,
    )


def _cpu_ms(run: LevelRun) -> float | None:
    answered = sum(len(one.latencies_s) for one in run.heard)
    if len(run.server) < 2 or not answered:
        return None
    return 1e3 * (run.server[-1].cpu_s - run.server[0].cpu_s) / answered


def is_sustained(summaries: Sequence[StreamSummary]) -> bool:
    """Whether a level is, by most of its runs."""
    return 2 * sum(one.is_sustained for one in summaries) > len(summaries)


def largest(summaries: Sequence[StreamSummary]) -> list[StreamSummary]:
    """The runs of the level of most streams below the first that was not sustained, best first."""
    levels: dict[int, list[StreamSummary]] = {}
    for one in summaries:
        levels.setdefault(one.streams, []).append(one)
    held: list[StreamSummary] = []
    for streams in sorted(levels):
        if not is_sustained(levels[streams]):
            break
        held = levels[streams]
    return sorted(held, key=lambda one: one.chunk_ms.get("p95", 0.0))


def conclude(summaries: Sequence[StreamSummary], chunk_ms: float, cores: int) -> str:
    runs = largest(summaries)
    if not runs:
        return "not even the fewest streams were sustained"
    best = runs[(len(runs) - 1) // 2]
    return (
        f"{best.streams} real-time streams sustained: the 95th percentile of a chunk's latency is "
        f"{best.chunk_ms.get('p95', 0.0):.0f} ms, under a chunk's {chunk_ms:g} ms; the load "
        f"generator took {best.client_cores:.2f} of {cores} cores "
        f"({best.client_cores / cores:.1%})"
    )


HEADER = (
    "streams", "utterances", "failed", "chunks", "chunk p50 ms", "p90", "p95", "p99",
    "final p50 ms", "p95", "first text p50 ms", "batch", "ms a chunk", "cpu ms", "client cores",
    "server cores", "sustained",
)  # fmt: skip


def markdown(summaries: Sequence[StreamSummary], labels: Sequence[str] = ()) -> str:
    """A row for each level, in order of their streams; or as they come, each with its label."""
    rows = [list(HEADER), ["---:"] * len(HEADER)]
    ordered = summaries if labels else sorted(summaries, key=lambda one: one.streams)
    rows += [_row(one) for one in ordered]
    if labels:
        rows = [[left, *row] for left, row in zip(["run", "---", *labels], rows, strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(one: StreamSummary) -> list[str]:
    chunk, final = one.chunk_ms, one.final_ms
    return [
        *(str(count) for count in (one.streams, one.utterances, one.failed, one.chunks)),
        *(_show(chunk.get(rank), ".0f") for rank in ("p50", "p90", "p95", "p99")),
        *(_show(final.get(rank), ".0f") for rank in ("p50", "p95")),
        _show(one.first_text_ms.get("p50"), ".0f"),
        _show(one.batch, ".1f"),
        _show(one.step_ms, ".2f"),
        _show(one.cpu_ms, ".2f"),
        _show(one.client_cores, ".2f"),
        _show(one.server_cores, ".2f"),
        "yes" if one.is_sustained else "no",
    ]


def _show(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _cores(usage: Sequence[Usage]) -> float | None:
    if len(usage) < 2:
        return None
    return (usage[-1].cpu_s - usage[0].cpu_s) / (usage[-1].at_s - usage[0].at_s)
