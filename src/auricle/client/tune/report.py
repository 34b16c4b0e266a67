"""Points -> a Markdown table, best first, and a JSON record."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

from auricle.client.bench.machine import Machine
from auricle.client.scoring import Score
from auricle.client.times import percentiles_ms
from auricle.client.tune.experiment import Plan, Point


def rate_name(score: Score) -> str:
    return "WER" if score.unit == "word" else "CER"


def rtf(point: Point) -> float:
    """Wall time over audio; infinite where nothing was transcribed."""
    return point.speed.rtf if point.speed else inf


def rank(points: Iterable[Point]) -> list[Point]:
    """The fewest errors first; of equal ones, the fastest."""
    return sorted(points, key=_cost)


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other is better than in one of error rate and RTF and no worse in the other.

    From the fewest errors to the least time.
    """
    kept: list[Point] = []
    for point in rank(points):
        if not kept or rtf(point) < rtf(kept[-1]):
            kept.append(point)
    return kept


def _cost(point: Point) -> tuple[float, float]:
    return point.score.error_rate, rtf(point)


def markdown(points: Sequence[Point]) -> str:
    """A row for each point, best first; * marks the front. There is at least one point."""
    best = front(points)
    names = list(points[0].setting)
    name = rate_name(points[0].score)
    header = [*names, f"{name} %", "ins", "del", "sub", "RTF", "audio s/s", "failed", "front"]
    rows = [header, ["---:"] * len(header)]
    rows += [_row(point, is_best=point in best) for point in rank(points)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(point: Point, *, is_best: bool) -> list[str]:
    counts = point.score.counts
    errors = [f"{point.score.error_rate:.2f}"]
    errors += [str(count) for count in (counts.insertions, counts.deletions, counts.substitutions)]
    speed = point.speed
    times = [f"{speed.rtf:.4f}", f"{speed.rtfx:.1f}"] if speed else ["-", "-"]
    mark = "*" if is_best else ""
    return [*point.setting.values(), *errors, *times, str(point.failed), mark]


@dataclass(frozen=True)
class Record:
    """A tuning run as it is kept: whose model, what was sent, and what came of each setting."""

    machine: Machine  # that the client ran on
    model: str
    plan: Plan
    sample_rate: int
    points: Sequence[Point]

    def save(self, path: Path) -> None:
        seconds = sum(map(len, self.plan.waveforms.values())) / self.sample_rate
        fields = {
            "machine": asdict(self.machine),
            "model": self.model,
            "utterances": len(self.plan.waveforms),
            "audio_seconds": seconds,
            "concurrency": self.plan.num_tasks,
            "parameters": dict(self.plan.parameters),
            "normalized": self.plan.normalizes,
            "settings": len(self.plan.settings),
            "points": [_facts(point) for point in self.points],
        }
        path.write_text(json.dumps(fields, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _facts(point: Point) -> dict[str, object]:
    speed = point.speed
    return {
        "setting": dict(point.setting),
        "unit": point.score.unit,
        "error_rate": point.score.error_rate,
        "sentence_error_rate": point.score.sentence_error_rate,
        **asdict(point.score.counts),
        "failed": point.failed,
        "wall_s": speed.wall_s if speed else None,
        "rtf": speed.rtf if speed else None,
        "throughput": speed.rtfx if speed else None,
        "latency_ms": percentiles_ms(speed.latencies_s) if speed else {},
    }
