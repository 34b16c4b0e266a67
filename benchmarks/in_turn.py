"""Rivals measured in one process, round after round, so that a busy minute harms all of them."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from statistics import median

from auricle.client.bench import machine


@dataclass
class Timing:
    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def ms(self) -> float:
        return 1000 * median(self.seconds)


def time_in_turn(
    runs: dict[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """One round that does not count, then `rounds` of them all in turn."""
    timings = {name: Timing(name) for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            started = clock()
            run()
            if number:
                timings[name].seconds.append(clock() - started)
    return timings


def write(path: Path | None, record: object, packages: Iterable[str]) -> None:
    """Keep a record, where and when it was made, and the versions of the rivals' packages."""
    if path:
        versions = {name: metadata.version(name) for name in packages}
        whole = {"machine": asdict(machine.describe()), "versions": versions, "record": record}
        path.write_text(json.dumps(whole) + "\n", encoding="utf-8")
