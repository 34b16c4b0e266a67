"""Records of `auricle bench --graph --json` -> one table, the rounds of all of them pooled.

usage: python benchmarks/encoders_alone.py docs/raw/encoders-alone-demo-*.json
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, median

import numpy as np

HEADER = ("graph", "batch", "rounds", "average ms", "p50", "p95", "least", "QPS", "audio s/s",
          "of the least")  # fmt: skip
Case = tuple[str, int, float]  # graph, batch, seconds of audio in a row


def pool(paths: Iterable[Path]) -> dict[Case, list[float]]:
    """Milliseconds of every round."""
    pooled: dict[Case, list[float]] = {}
    for path in paths:
        for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
            case = (row["graph"], row["batch"], row["seconds"])
            pooled.setdefault(case, []).extend(row["rounds"])
    return pooled


def cells(case: Case, rounds: list[float]) -> list[str]:
    graph, batch, seconds = case
    average, least = mean(rounds), min(rounds)
    times = (average, median(rounds), float(np.percentile(rounds, 95)), least)
    speeds = (1000 * batch * seconds / average, 1000 * batch * seconds / least)
    qps = f"{1000 * batch / average:.1f}"
    head = [graph, str(batch), str(len(rounds))]
    return [*head, *map(_short, times), qps, *map(_short, speeds)]


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


if __name__ == "__main__":
    found = pool(map(Path, sys.argv[1:]))
    lines = [HEADER, ["---"] * len(HEADER), *(cells(*each) for each in found.items() if each[1])]
    sys.stdout.writelines(f"| {' | '.join(line)} |\n" for line in lines)
