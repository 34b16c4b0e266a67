"""What was measured, its figures, and the table of it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one round: of one run, or of the many that trtexec sums up.

    with_copies_ms: the mean with the copies to the device and back, where it is known apart.
    """

    mean_ms: float
    p50_ms: float
    p95_ms: float
    with_copies_ms: float | None = None
    is_one_run: bool = True


def of_run(seconds: float) -> Timing:
    ms = 1000 * seconds
    return Timing(ms, ms, ms)


@dataclass
class Row:
    """A graph and a batch.  seconds: of audio in each row of it.  failure: what was said."""

    graph: str
    provider: str
    batch: int
    seconds: float | None = None
    rounds: list[Timing] = field(default_factory=list)
    failure: str | None = None

    @property
    def latency(self) -> Timing | None:
        """Over the rounds: of runs their mean and percentiles, of sums the medians."""
        if self.failure or not self.rounds:
            return None
        means = [one.mean_ms for one in self.rounds]
        if all(one.is_one_run for one in self.rounds):
            return Timing(float(np.mean(means)), median(means), float(np.percentile(means, 95)))
        middles = (median(one.p50_ms for one in self.rounds),
                   median(one.p95_ms for one in self.rounds))  # fmt: skip
        return Timing(median(means), *middles, is_one_run=False)

    @property
    def least_ms(self) -> float | None:
        """Of the best round: what the others would come to on a machine that does nothing else."""
        return min(one.mean_ms for one in self.rounds) if self.latency else None

    @property
    def qps(self) -> float | None:
        """Rows of the batch per second."""
        return 1000 * self.batch / self.latency.mean_ms if self.latency else None

    @property
    def throughput(self) -> float | None:
        """Seconds of audio per second."""
        return self.qps * self.seconds if self.qps and self.seconds else None

    def record(self) -> dict[str, object]:
        """Every round and the figures, for JSON; a round of one run is its milliseconds."""
        rounds = [round(one.mean_ms, 4) if one.is_one_run else asdict(one) for one in self.rounds]
        latency = asdict(self.latency) if self.latency else None
        figures = {
            "latency": latency,
            "least_ms": self.least_ms,
            "qps": self.qps,
            "throughput": self.throughput,
        }
        return {**vars(self), "rounds": rounds, **figures}


HEADER = (
    "graph", "on", "batch", "audio s", "rounds", "mean ms", "least", "p50", "p95", "QPS",
    "audio s/s",
)  # fmt: skip


def markdown(rows: Iterable[Row]) -> str:
    """A row for each graph and batch; a failure stands where its figures would."""
    lines = [HEADER, ("---", "---", *["---:"] * (len(HEADER) - 2)), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: Row) -> Sequence[str]:
    seconds = "-" if row.seconds is None else f"{row.seconds:g}"
    head = [row.graph, row.provider, str(row.batch), seconds, str(len(row.rounds))]
    latency = row.latency
    if latency is None:
        return [*head, f"failed: {(row.failure or 'not run').replace('|', '/')}", *["-"] * 5]
    times = (latency.mean_ms, row.least_ms, latency.p50_ms, latency.p95_ms)
    return [*head, *(f"{ms:.2f}" for ms in times), _number(row.qps), _number(row.throughput)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
