"""Runs -> figures -> a Markdown table; the raw runs are kept beside them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from auricle.client.bench.machine import Usage
from auricle.client.bench.run import Counters, Run
from auricle.client.times import percentiles_ms

MEGABYTE = 1e6


@dataclass(frozen=True)
class Summary:
    """The figures of one run.

    failed: errors, refusals and transcripts other than the expected ones.
    throughput: seconds of audio rightly transcribed, per second.
    latency_ms: "mean", "p50", "p90", "p95", "p99" over the answered requests.
    queue_ms, compute_ms, batch: Triton's own, of the called model: means per request.
    client_cores, server_cores: processor time per second.
    rss_mb: of the server when a quarter of the answers were there, and at the end.
    efficiency: throughput over that of the encoder alone.
    """

    load: str
    requests: int
    failed: int
    refused: int
    mismatched: int
    throughput: float
    latency_ms: dict[str, float]
    queue_ms: float | None
    compute_ms: float | None
    batch: float | None
    client_cores: float
    server_cores: float | None
    rss_mb: tuple[float, float] | None
    efficiency: float | None


@dataclass(frozen=True)
class Truth:
    """What the answers are held against: of each waveform, name, length and transcript."""

    names: Sequence[str]
    seconds: Sequence[float]
    transcripts: Sequence[str]


def summarise(
    run: Run, truth: Truth, model: str | None = None, ceiling: float | None = None
) -> Summary:
    """model: whose counters count.  ceiling: seconds of audio per second, of the encoder alone."""
    right = [each for each in run.answers if each.text == truth.transcripts[each.index]]
    answered = [each for each in run.answers if each.text is not None]
    throughput = sum(truth.seconds[each.index] for each in right) / run.wall_s
    counted = run.counters.get(model or "", Counters())
    return Summary(
        load=run.load,
        requests=len(run.answers),
        failed=len(run.answers) - len(right),
        refused=sum(each.is_refused for each in run.answers),
        mismatched=len(answered) - len(right),
        throughput=throughput,
        latency_ms=percentiles_ms(each.latency_s for each in answered),
        queue_ms=_ratio(counted.queue_ns / 1e6, counted.requests),
        compute_ms=_ratio(counted.compute_ns / 1e6, counted.requests),
        batch=_ratio(counted.inferences, counted.executions),
        client_cores=run.client_cpu_s / run.wall_s,
        server_cores=_cores(run.server),
        rss_mb=_memory(run),
        efficiency=throughput / ceiling if ceiling else None,
    )


def _ratio(total: float, count: int) -> float | None:
    return total / count if count else None


def _cores(usage: Sequence[Usage]) -> float | None:
    if len(usage) < 2:
        return None
    return (usage[-1].cpu_s - usage[0].cpu_s) / (usage[-1].at_s - usage[0].at_s)


def _memory(run: Run) -> tuple[float, float] | None:
    if not run.server:
        return None
    arrivals = sorted(each.due_s + each.latency_s for each in run.answers)
    quarter_s = arrivals[len(arrivals) // 4]
    settled = next(each for each in run.server if each.at_s >= quarter_s)
    return settled.rss_bytes / MEGABYTE, run.server[-1].rss_bytes / MEGABYTE


Value = Callable[[Summary], float | None]
COLUMNS: Mapping[str, tuple[Value, str]] = {
    "audio s/s": (lambda one: one.throughput, ".1f"),
    "mean ms": (lambda one: one.latency_ms.get("mean"), ".0f"),
    "p50": (lambda one: one.latency_ms.get("p50"), ".0f"),
    "p90": (lambda one: one.latency_ms.get("p90"), ".0f"),
    "p95": (lambda one: one.latency_ms.get("p95"), ".0f"),
    "p99": (lambda one: one.latency_ms.get("p99"), ".0f"),
    "queue ms": (lambda one: one.queue_ms, ".1f"),
    "compute ms": (lambda one: one.compute_ms, ".1f"),
    "batch": (lambda one: one.batch, ".1f"),
    "client cores": (lambda one: one.client_cores, ".2f"),
    "server cores": (lambda one: one.server_cores, ".2f"),
    "RSS MB": (lambda one: one.rss_mb and one.rss_mb[1], ".0f"),
    "growth MB": (lambda one: one.rss_mb and one.rss_mb[1] - one.rss_mb[0], "+.1f"),
    "efficiency": (lambda one: one.efficiency, ".3f"),
}
SPREAD = ("audio s/s", "efficiency")  # shown with the least and the most of several runs


def markdown(summaries: Iterable[Summary]) -> str:
    """A row for each load: medians over its runs; columns that no run has are left out."""
    by_load: dict[str, list[Summary]] = {}
    for summary in summaries:
        by_load.setdefault(summary.load, []).append(summary)
    everyone = [summary for group in by_load.values() for summary in group]
    shown = [
        name for name, (value, _) in COLUMNS.items()
        if any(value(summary) is not None for summary in everyone)
    ]  # fmt: skip
    header = ["load", "runs", "requests", "failed", *shown]
    rows = [header, ["---", *["---:"] * (len(header) - 1)]]
    for load, group in by_load.items():
        requests, failed = (sum(getattr(one, name) for one in group) for name in header[2:4])
        cells = [_cell(group, name) for name in shown]
        rows.append([load, str(len(group)), str(requests), str(failed), *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(group: Sequence[Summary], name: str) -> str:
    value, form = COLUMNS[name]
    values = [found for one in group if (found := value(one)) is not None]
    if not values:
        return "-"
    middle = format(median(values), form)
    if name not in SPREAD or len(values) == 1:
        return middle
    return f"{middle} ({min(values):{form}} to {max(values):{form}})"
