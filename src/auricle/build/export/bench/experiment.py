"""Graphs in turn, round after round, so that a busy minute harms all of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from auricle.build.export.bench.memory import limited_memory
from auricle.build.export.bench.table import Row, Timing
from auricle.errors import CheckpointError

PATIENCE_S = 30.0  # of one graph and batch, after which it has no more rounds
FEWEST = 3  # rounds, however long they take
LONGEST_FAILURE = 200  # characters

Run = Callable[[], Timing]


class Contender(Protocol):
    """A graph somewhere.  warm_up: rounds that do not count.  most: rounds that it wants, if few.

    open: seconds of audio in each row of a batch, and what runs it once; both raise
    CheckpointError or MemoryError where the graph fails.
    """

    @property
    def name(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def warm_up(self) -> int: ...

    @property
    def most(self) -> int | None: ...

    def check(self) -> None: ...

    def open(self, batch: int) -> tuple[float | None, Run]: ...


def measure(
    contenders: Sequence[Contender], batches: Sequence[int], rounds: int
) -> Iterator[list[Row]]:
    """The rows of each batch; a graph that fails on one has that in its row.

    On the CPU a batch may take the memory that is free now: beyond it an allocation fails, instead
    of the machine.
    """
    on_cpu = all(one.provider == "cpu" for one in contenders)
    for batch in batches:
        with limited_memory(applies=on_cpu):
            rows = _measure_batch(contenders, batch, rounds)
        yield rows


def _measure_batch(contenders: Sequence[Contender], batch: int, rounds: int) -> list[Row]:
    rows = [Row(one.name, one.provider, batch) for one in contenders]
    turns = [_Turn(one, row, rounds) for one, row in zip(contenders, rows, strict=True)]
    while turns := [turn for turn in turns if turn.go()]:
        pass
    return rows


class _Turn:
    """One graph's part in the rounds of a batch."""

    def __init__(self, contender: Contender, row: Row, rounds: int) -> None:
        self._contender = contender
        self._row = row
        self._rounds = min(rounds, contender.most or rounds)
        self._warm_up = contender.warm_up
        self._spent_s = 0.0
        self._run: Run | None = None

    def go(self) -> bool:
        """Run once; whether there is another round."""
        start = time.perf_counter()
        try:
            if self._run is None:
                self._row.seconds, self._run = self._contender.open(self._row.batch)
            timing = self._run()
        except (CheckpointError, MemoryError) as error:
            self._row.failure = " ".join(str(error).split())[:LONGEST_FAILURE] or "out of memory"
            return False
        self._spent_s += time.perf_counter() - start
        if self._warm_up:
            self._warm_up -= 1
            return True
        self._row.rounds.append(timing)
        done = len(self._row.rounds)
        return done < self._rounds and (done < FEWEST or self._spent_s < PATIENCE_S)
