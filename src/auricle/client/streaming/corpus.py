"""Many utterances as streams through one client: so many at a time, an outcome each."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from auricle.audio import Waveform
from auricle.client.client import AsyncClient
from auricle.client.corpus import Outcome, in_parallel
from auricle.client.manifests import Utterance, fetch
from auricle.client.results import Transcription
from auricle.client.streaming.feed import Pace, feed
from auricle.client.streaming.partials import Partial
from auricle.client.times import Times
from auricle.client.transport import Parameter
from auricle.errors import AuricleError, UnreachableError

AT_ONCE = Pace()
REAL_TIME_IN_FLIGHT = 64  # chunks leave on time, however slow the answers


@dataclass(frozen=True)
class Speaking:
    """How utterances are spoken to a server.

    num_tasks: streams at a time.  pace: at once, each chunk waits for the answer to the one before.
    parameters: of every request.  tell: hears of every partial, by the id of its utterance.
    """

    num_tasks: int = 16
    pace: Pace = AT_ONCE
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    tell: Callable[[str, Partial], None] = lambda _name, _partial: None


async def stream_corpus(
    client: AsyncClient, utterances: Sequence[Utterance], speaking: Speaking
) -> AsyncIterator[Outcome]:
    """Outcomes as they come, in any order; as with transcribe_corpus, a failure stands alone."""

    async def attempt(utterance: Utterance) -> list[Outcome]:
        try:
            waveform = await client.load(await asyncio.to_thread(fetch, utterance.source))
            return [Outcome(utterance.id, await _speak(client, utterance.id, waveform, speaking))]
        except UnreachableError:
            raise
        except AuricleError as error:
            return [Outcome(utterance.id, None, error)]

    async with aclosing(in_parallel(utterances, attempt, speaking.num_tasks)) as outcomes:
        async for outcome in outcomes:
            yield outcome


async def _speak(
    client: AsyncClient, name: str, waveform: Waveform, speaking: Speaking
) -> Transcription:
    """One stream from its first chunk to its final text."""
    await client.model()
    in_flight = REAL_TIME_IN_FLIGHT if speaking.pace.is_real_time else 1
    start = time.perf_counter()
    chunks = feed(waveform, client.sample_rate, speaking.pace, start)
    partials: list[Partial] = []
    first_partial_s = None
    async with client.stream(chunks, parameters=speaking.parameters, in_flight=in_flight) as stream:
        async for partial in stream:
            partials.append(partial)
            if partial.text and first_partial_s is None:
                first_partial_s = time.perf_counter() - start
            speaking.tell(name, partial)
    *before, last = partials
    times = Times(tuple(one.latency_s for one in before), first_partial_s, last.latency_s)
    return summed_up(partials, times)


def summed_up(partials: Sequence[Partial], times: Times) -> Transcription:
    """The final text with the segments of the whole stream."""
    last = partials[-1]
    segments = tuple(segment for partial in partials for segment in partial.segments)
    return Transcription(
        last.text,
        result=replace(last.result, segments=segments) if last.result else None,
        audio_seconds=last.audio_seconds,
        latency_s=last.latency_s,
        times=times,
    )
