"""Who speaks, as outcomes: many utterances as streams, so many at a time, or a microphone."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from auricle.client.client import AsyncClient
from auricle.client.corpus import Outcome, in_parallel
from auricle.client.manifests import Utterance, fetch
from auricle.client.streaming.feed import Pace, feed
from auricle.client.streaming.listening import MANY, Listening, Source, listen
from auricle.client.streaming.microphone import Device, recording
from auricle.errors import AuricleError, UnreachableError

AT_ONCE, UNHEARD = Pace(), Listening()


@dataclass(frozen=True)
class Speaking:
    """How utterances are spoken to a server.

    num_tasks: streams at a time.  pace: at once, each chunk waits for the answer to the one before.
    listening: what is asked for, and who hears of it.
    connect_second: the client of an offline model for a second pass, called in the event loop.
    """

    num_tasks: int = 16
    pace: Pace = AT_ONCE
    listening: Listening = UNHEARD
    connect_second: Callable[[], AsyncClient] | None = None


async def stream_corpus(
    client: AsyncClient, utterances: Sequence[Utterance], speaking: Speaking
) -> AsyncIterator[Outcome]:
    """Outcomes as they come, in any order; as with transcribe_corpus, a failure stands alone."""
    async with _listening(speaking) as listening:
        attempt = partial(_attempt, client, speaking.pace, listening)
        async with aclosing(in_parallel(utterances, attempt, speaking.num_tasks)) as outcomes:
            async for outcome in outcomes:
                yield outcome


async def stream_microphone(
    client: AsyncClient, utterances: Sequence[Utterance], speaking: Speaking, device: Device | None
) -> AsyncIterator[Outcome]:
    """The outcome of the only utterance, which is what the microphone hears until Ctrl-C.

    A second Ctrl-C does not wait for the final text.
    """
    (utterance,) = utterances
    await client.model()
    async with _listening(speaking) as listening:
        with recording(device, speaking.pace.chunk_ms) as heard:
            loop = asyncio.get_running_loop()

            def stop() -> None:
                loop.remove_signal_handler(signal.SIGINT)
                heard.stop()

            loop.add_signal_handler(signal.SIGINT, stop)
            start = time.perf_counter()
            source = Source(utterance.id, heard.chunks(), heard.rate, start)
            yield Outcome(utterance.id, await listen(client, source, listening))


@asynccontextmanager
async def _listening(speaking: Speaking) -> AsyncIterator[Listening]:
    """With the client of the second pass, whose model is there."""
    if speaking.connect_second is None:
        yield speaking.listening
        return
    async with speaking.connect_second() as second:
        await second.model()
        yield replace(speaking.listening, second=second)


async def _attempt(
    client: AsyncClient, pace: Pace, listening: Listening, utterance: Utterance
) -> list[Outcome]:
    try:
        waveform = await client.load(await asyncio.to_thread(fetch, utterance.source))
        await client.model()  # before the clock starts
        start = time.perf_counter()
        chunks = feed(waveform, client.sample_rate, pace, start)
        in_flight = MANY if pace.is_real_time else 1
        source = Source(utterance.id, chunks, client.sample_rate, start, in_flight)
        return [Outcome(utterance.id, await listen(client, source, listening))]
    except UnreachableError:
        raise
    except AuricleError as error:
        return [Outcome(utterance.id, None, error)]
