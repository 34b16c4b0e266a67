"""So many real-time streams at once, each an utterance after the other, for so long."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from auricle.client.bench.streaming.talk import Heard


class Speaker(Protocol):
    async def __call__(self, index: int, start: float | None = None, /) -> Heard: ...


@dataclass(frozen=True)
class Level:
    """`streams` at once; after `seconds` none begins another utterance.

    chunk_s: streams begin at random moments of one, so that their chunks do not come together;
    unless that is what is wanted.
    """

    streams: int
    seconds: float
    chunk_s: float
    seed: int = 1
    is_together: bool = False

    def __str__(self) -> str:
        return f"{self.streams} streams"


async def hold(
    speak: Speaker, order: Iterator[int], durations_s: Sequence[float], level: Level
) -> tuple[list[Heard], float]:
    """What was heard, and when the level began, by time.perf_counter.

    A stream's next utterance begins where the one before ends, or when its text is there, if that
    is later.
    """
    rng = random.Random(level.seed)  # noqa: S311  # spreads load, keeps no secret
    begin = time.perf_counter()
    heard: list[Heard] = []

    async def talk(start: float) -> None:
        while start < begin + level.seconds:
            index = next(order)
            heard.append(await speak(index, start))
            start = max(start + durations_s[index], time.perf_counter())

    spread_s = 0.0 if level.is_together else level.chunk_s
    starts = [begin + rng.uniform(0, spread_s) for _ in range(level.streams)]
    await asyncio.gather(*map(talk, starts))
    return heard, begin
