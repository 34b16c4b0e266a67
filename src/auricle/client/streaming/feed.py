"""A waveform that is there already, as the chunks of a stream: at once, or at its own pace."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from auricle.audio import Waveform
from auricle.client.streaming.partials import Chunk


@dataclass(frozen=True)
class Pace:
    """chunk_ms: of audio in each chunk; the last may be shorter.  is_real_time: as if spoken."""

    chunk_ms: float = 320.0
    is_real_time: bool = False

    def chunk_samples(self, sample_rate: int) -> int:
        return max(1, round(self.chunk_ms * sample_rate / 1000))


async def feed(
    waveform: Waveform, sample_rate: int, pace: Pace, start: float
) -> AsyncGenerator[Chunk, None]:
    """float32 [num_samples] as chunks, the last of which ends the stream.

    start: by time.perf_counter; in real time each chunk is there when its last sample is, and
    latencies count from that moment however late it leaves.
    """
    size = pace.chunk_samples(sample_rate)
    for first in range(0, len(waveform), size):
        chunk = waveform[first : first + size]
        end = first + len(chunk)
        at = start + end / sample_rate if pace.is_real_time else None
        if at is not None:
            await asyncio.sleep(at - time.perf_counter())
        yield Chunk(chunk, is_last=end == len(waveform), at=at)
