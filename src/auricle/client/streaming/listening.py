"""One stream to its final text: partials told, latencies kept, segments given a second pass."""

import time
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from auricle.client.client import AsyncClient
from auricle.client.results import Segment, Transcription
from auricle.client.streaming.partials import Chunk, Partial
from auricle.client.streaming.second_pass import Better, SecondPass, join
from auricle.client.times import Times
from auricle.client.transport import Parameter

MANY = 64  # chunks that leave on time, however slow the answers


@dataclass(frozen=True)
class Listening:
    """What a stream is asked for, and who hears of it.

    parameters: of every request.  tell: hears of every partial, by the stream's name.
    second: the client of an offline model, for a second pass.  correct: hears of what it makes of
    each segment.
    """

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    tell: Callable[[str, Partial], None] = lambda _name, _partial: None
    second: AsyncClient | None = None
    correct: Callable[[str, Segment], None] = lambda _name, _segment: None


@dataclass(frozen=True)
class Source:
    """Who speaks: chunks at `rate` Hz, the first sample at `start` by time.perf_counter.

    in_flight: chunks that may wait for their answers.
    """

    name: str
    chunks: AsyncIterable[Chunk]
    rate: int
    start: float
    in_flight: int = MANY


@dataclass
class _Log:
    """What is kept of the partials; their texts would grow with the square of the time."""

    last: Partial
    first: Partial | None = None  # with a text
    first_s: float | None = None
    latencies_s: list[float] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    def sum_up(self) -> Transcription:
        """The final text, with the segments and latencies of the whole stream."""
        last = self.last
        times = Times(
            tuple(self.latencies_s[:-1]),
            self.first_s,
            last.latency_s,
            after_first_word_s=self._after_first_word_s(),
        )
        return Transcription(
            last.text,
            result=replace(last.result, segments=tuple(self.segments)) if last.result else None,
            audio_seconds=last.audio_seconds,
            latency_s=last.latency_s,
            times=times,
        )

    def _after_first_word_s(self) -> float | None:
        """How much more audio there was, and how late its answer."""
        words = [word for segment in self.segments for word in segment.words]
        if self.first is None or not words or words[0].end is None:
            return None
        return self.first.audio_seconds - words[0].end + self.first.latency_s


async def listen(client: AsyncClient, source: Source, listening: Listening) -> Transcription:
    """Hear it out; the text is that of the second pass, where there is one."""
    if listening.second is None:
        return (await _hear(client, source, listening)).sum_up()

    def correct(segment: Segment) -> None:
        listening.correct(source.name, segment)

    async with aclosing(SecondPass(listening.second, source.rate, correct)) as second:
        kept = replace(source, chunks=second.keep(source.chunks))
        log = await _hear(client, kept, listening, second)
        return _improve(log.sum_up(), await second.finish())


async def _hear(
    client: AsyncClient, source: Source, listening: Listening, second: SecondPass | None = None
) -> _Log:
    log = _Log(Partial(""))
    stream = client.stream(
        source.chunks,
        rate=source.rate,
        parameters=listening.parameters,
        in_flight=source.in_flight,
    )
    async with stream:
        async for partial in stream:
            if partial.text and log.first is None:
                log.first, log.first_s = partial, time.perf_counter() - source.start
            log.last = partial
            log.latencies_s.append(partial.latency_s)
            log.segments += partial.segments
            listening.tell(source.name, partial)
            if second:
                second.take(partial.segments)
    return log


def _improve(done: Transcription, better: Sequence[Better]) -> Transcription:
    assert done.times, "it was a stream"
    latencies_s = tuple(one.latency_s for one in better if one.latency_s is not None)
    segments = tuple(one.segment for one in better)
    text = join([segment.text for segment in segments])
    return replace(
        done,
        text=text,
        result=replace(done.result, text=text, segments=segments) if done.result else None,
        times=replace(done.times, second_pass_s=latencies_s),
        first_pass=done.text,
    )
