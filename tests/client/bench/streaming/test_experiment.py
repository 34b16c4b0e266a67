import asyncio
from dataclasses import replace

import pytest

from auricle.client.bench.streaming import experiment
from auricle.client.bench.streaming.experiment import MeasuredLevel
from auricle.client.bench.streaming.level import Level
from auricle.client.bench.streaming.report import LevelRun, summarise
from tests.client.bench.streaming.test_report import RUN, TRUTH


def search(most: int, first: int = 1) -> list[int]:
    """The levels tried on a server that sustains so many streams."""

    async def measure(streams: int, _repeat: int) -> MeasuredLevel:
        run = LevelRun(Level(streams, 20, 0.64), 0, 20, 1, [])
        summary = replace(summarise(RUN, TRUTH), is_sustained=streams <= most)
        return MeasuredLevel(run, summary)

    async def run() -> list[int]:
        return [each.run.level.streams async for each in experiment.search(measure, first=first)]

    return asyncio.run(run())


@pytest.mark.parametrize("most", [1, 2, 5, 23, 100, 777])
def test_the_search_ends_beside_the_most_that_are_sustained(most: int) -> None:
    tried = search(most)
    held = max(streams for streams in tried if streams <= most)
    broken = min(streams for streams in tried if streams > most)
    assert broken - held <= max(1, held // 32)
    assert len(tried) < 18


def test_the_search_doubles_and_then_halves() -> None:
    assert search(5) == [1, 2, 4, 8, 6, 5]


@pytest.mark.parametrize(
    ("first", "tried"), [(4, [4, 8, 6, 5]), (7, [7, 3, 5, 6]), (2, [2, 4, 8, 6, 5])]
)
def test_the_search_may_begin_near_its_end(first: int, tried: list[int]) -> None:
    assert search(5, first) == tried


def test_most_runs_of_a_level_decide() -> None:
    told = []

    async def measure(streams: int, repeat: int) -> MeasuredLevel:
        told.append((streams, repeat))
        run = LevelRun(Level(streams, 20, 0.64), 0, 20, 1, [])
        holds = streams < 4 and repeat != 1
        return MeasuredLevel(run, replace(summarise(RUN, TRUTH), is_sustained=holds))

    async def run() -> None:
        async for _ in experiment.search(measure, repeats=3):
            pass

    asyncio.run(run())
    assert told == [(streams, repeat) for streams in (1, 2, 4, 3) for repeat in range(3)]


def test_a_server_that_sustains_none_is_asked_once() -> None:
    assert search(0) == [1]
