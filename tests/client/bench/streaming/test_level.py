import asyncio
import time
from dataclasses import dataclass, field
from itertools import count, pairwise, repeat

from auricle.client.bench.streaming.level import Level, hold
from auricle.client.bench.streaming.talk import Heard


@dataclass
class Listener:
    """Understands everything `late_s` after its end, and keeps who spoke when."""

    durations_s: list[float]
    late_s: float = 0.0
    spoken: list[tuple[int, float, float]] = field(default_factory=list)

    async def __call__(self, index: int, start: float | None = None) -> Heard:
        assert start is not None
        end = start + self.durations_s[index]
        await asyncio.sleep(end + self.late_s - time.perf_counter())
        self.spoken.append((index, start, end))
        return Heard(index, "", [end], [self.late_s], None)


def test_so_many_streams_speak_at_once_and_without_a_pause() -> None:
    listener = Listener([0.02, 0.05])
    order = (number % 2 for number in count())
    level = Level(5, seconds=0.3, chunk_s=0.1)
    heard, begin = asyncio.run(hold(listener, order, listener.durations_s, level))
    assert len(heard) == len(listener.spoken)
    spoken_s = sum(end - start for _, start, end in listener.spoken)
    last = max(end for *_, end in listener.spoken)
    assert 5 * 0.2 < spoken_s <= 5 * (last - begin)
    assert all(start < begin + 0.3 for _, start, _ in listener.spoken)
    assert {index for index, *_ in listener.spoken} == {0, 1}


def test_streams_begin_at_different_moments_of_a_chunk() -> None:
    listener = Listener([1.0])
    _, begin = asyncio.run(hold(listener, repeat(0), [1.0], Level(20, 0.2, chunk_s=0.2)))
    offsets = sorted(start - begin for _, start, _ in listener.spoken)
    assert 0.1 < offsets[-1] < 0.2
    assert len(set(offsets)) == 20


def test_streams_may_begin_together() -> None:
    listener = Listener([0.3])
    level = Level(20, 0.2, chunk_s=0.2, is_together=True)
    _, begin = asyncio.run(hold(listener, repeat(0), [0.3], level))
    assert {start for _, start, _ in listener.spoken} == {begin}


def test_a_late_answer_delays_the_next_utterance() -> None:
    listener = Listener([0.02], late_s=0.1)
    asyncio.run(hold(listener, repeat(0), [0.02], Level(1, 0.3, 0.001)))
    starts = [start for _, start, _ in listener.spoken]
    gaps = [later - sooner for sooner, later in pairwise(starts)]
    assert len(gaps) >= 2
    assert min(gaps) >= 0.12
