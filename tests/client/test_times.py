import asyncio
import time

import numpy as np
import pytest

from auricle.client.streaming.feed import Pace, feed
from auricle.client.streaming.partials import Chunk
from auricle.client.times import StreamSpeed, Times, percentiles_ms

WAVEFORM = np.arange(1000, dtype=np.float32)  # 0.1 s at 10 kHz


def chunks_of(pace: Pace) -> tuple[list[Chunk], list[float], float]:
    """The chunks, when they came and when the speaker began."""

    async def run() -> tuple[list[Chunk], list[float], float]:
        chunks, came = [], []
        start = time.perf_counter()
        async for chunk in feed(WAVEFORM, 10000, pace, start):
            chunks.append(chunk)
            came.append(time.perf_counter())
        return chunks, came, start

    return asyncio.run(run())


@pytest.mark.parametrize("pace", [Pace(30.0), Pace(30.0, is_real_time=True)])
def test_chunks_are_the_waveform_and_the_last_one_ends_it(pace: Pace) -> None:
    chunks, _, _ = chunks_of(pace)
    np.testing.assert_array_equal(np.concatenate([one.samples for one in chunks]), WAVEFORM)
    assert [len(one.samples) for one in chunks] == [300, 300, 300, 100]
    assert [one.is_last for one in chunks] == [False, False, False, True]


def test_in_real_time_a_chunk_comes_when_its_last_sample_is_spoken() -> None:
    chunks, came, start = chunks_of(Pace(30.0, is_real_time=True))
    dues = [one.at for one in chunks]
    assert dues == pytest.approx([start + 0.03, start + 0.06, start + 0.09, start + 0.1])
    for due, moment in zip(dues, came, strict=True):
        assert due is not None
        assert 0 <= moment - due < 0.1


def test_at_once_a_chunk_is_there_when_it_is_handed_over() -> None:
    chunks, came, start = chunks_of(Pace(30.0))
    assert came[-1] - start < 0.05
    assert [one.at for one in chunks] == [None] * 4


def test_percentiles_are_in_milliseconds() -> None:
    ranks = percentiles_ms(number / 1000 for number in range(101))
    assert ranks == pytest.approx({"mean": 50, "p50": 50, "p90": 90, "p95": 95, "p99": 99})
    assert percentiles_ms([]) == {}


def test_a_speed_shows_what_was_measured_alone() -> None:
    times = [Times((0.1, 0.3), 0.5, 0.2), Times((), None, 0.4)]
    words = str(StreamSpeed(10.0, 20.0, times))
    assert words.startswith("2 streams, 20.0 s of audio in 10.00 s: RTF 0.5000, RTFx 2.0\n")
    assert "\nchunk ms: mean 200.0  p50 200.0 " in words
    assert "\nfirst partial ms: mean 500.0 " in words
    assert "\nfinal ms: mean 300.0 " in words
    assert "second pass" not in words
    assert "first word" not in words
