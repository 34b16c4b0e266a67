"""One stream: chunks go out as they come, partials come back, and END is sent in any case."""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field

import numpy as np

from auricle import audio, wire
from auricle.audio import Waveform
from auricle.client.streaming.partials import Chunk, Partial, Sent, read_partial
from auricle.client.transport import Parameter, Place, Request, Texts, Transport
from auricle.errors import AudioError, AuricleError

Chunks = Iterable[Waveform | Chunk] | AsyncIterable[Waveform | Chunk]
Answer = Texts | AuricleError

CLOSING_S = 5.0  # for the server to take the END of a stream that is left early
SILENCE = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Terms:
    """How a stream is sent.

    sample_rate: the model's.  rate: that of the chunks, which are resampled; None is the model's.
    outputs: TRANSCRIPTS and perhaps RESULT.  parameters: of every request.
    in_flight: chunks that may wait for their answers; more of them wait here.
    deadline_s: for the answer to each.
    keep_alive_s: after so long without a chunk, one without audio tells the server that the stream
    goes on; it forgets those that are silent for longer (a minute, by config.pbtxt).
    """

    sample_rate: int
    rate: int | None = None
    outputs: tuple[str, ...] = (wire.TRANSCRIPTS.name, wire.RESULT.name)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    in_flight: int = 64
    deadline_s: float = 300.0
    keep_alive_s: float = 15.0


@dataclass(frozen=True)
class Server:
    """model: called when the stream begins.  explained: tells a server that is busy from none."""

    transport: Transport
    model: Callable[[], Awaitable[str]]
    explained: Callable[[], AbstractAsyncContextManager[None]]


class PartialStream(AsyncIterator[Partial]):
    """The partials of one stream, as they come: one for each chunk, and the last is final.

    A chunk that is long in coming is preceded by a partial without news, every keep_alive_s.

    The chunks are read while it waits for partials, and nothing is sent before the first is
    awaited. What the chunks raise is raised here, after the text of those before.
    """

    def __init__(self, server: Server, chunks: Chunks, terms: Terms) -> None:
        self.terms = terms
        self._server, self._chunks = server, chunks
        self._rate = terms.rate or terms.sample_rate
        self._id = secrets.randbelow(2**63 - 1) + 1  # KServe's gRPC has it signed, and 0 is none
        self._requests: asyncio.Queue[Request | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(terms.in_flight)
        self._sent: deque[Sent] = deque()
        self._model = ""
        self._num_samples, self._count, self._has_ended = 0, 0, False
        self._pump: asyncio.Task[None] | None = None
        self._answers: AsyncGenerator[Answer, None] | None = None
        self._next: asyncio.Future[Answer | None] | None = None
        self._failure: BaseException | None = None
        self._is_closed = False

    async def __aenter__(self) -> "PartialStream":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def __anext__(self) -> Partial:
        """AuricleError as AsyncClient.transcribe, but nothing is tried again: the audio is gone."""
        if self._is_closed:
            raise StopAsyncIteration
        try:
            async with self._server.explained():
                if self._pump is None:
                    await self._begin()
                answer = await self._next_answer()
        except AuricleError:
            await self._leave(is_broken=True)
            raise
        if isinstance(answer, Mapping):
            self._room.release()
            return read_partial(answer, self._sent.popleft(), time.perf_counter())
        await self._leave()
        if answer is None:
            raise self._failure or StopAsyncIteration
        async with self._server.explained():
            raise answer

    async def aclose(self) -> None:
        """Leave the stream; the server is told its END if it was not yet, and forgets it."""
        await self._leave()

    async def _leave(self, is_broken: bool = False) -> None:
        """is_broken: the conversation takes no more requests."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._pump is None or self._answers is None:
            return
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        try:
            if is_broken or not await self._drain():
                await self._end_alone()
        finally:
            if self._next:
                self._next.cancel()
                await asyncio.gather(self._next, return_exceptions=True)
            await self._answers.aclose()

    async def _begin(self) -> None:
        self._model = await self._server.model()
        requests = self._queued()
        self._answers = self._server.transport.converse(requests, self.terms.deadline_s)
        self._pump = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        """Queue a request for each chunk, and END whatever happens."""
        resample = audio.Resampler(self._rate, self.terms.sample_rate)
        tail = SILENCE
        try:
            async with aclosing(_each(self._chunks)) as chunks:
                while chunk := await self._next_chunk(chunks):
                    at = chunk.at or time.perf_counter()
                    await self._room.acquire()
                    self._num_samples += len(chunk.samples)
                    samples = resample(chunk.samples, is_last=chunk.is_last)
                    self._send(samples, at, chunk.is_last, chunk.finalize)
                    if chunk.is_last:
                        break
            tail = SILENCE if self._has_ended else resample(SILENCE, is_last=True)
        except Exception as error:  # the caller's own: raised where the partials end
            self._failure = error
        finally:
            if not self._has_ended:
                self._send(tail, time.perf_counter(), is_last=True)
            self._requests.put_nowait(None)

    async def _next_chunk(self, chunks: AsyncGenerator[Chunk, None]) -> Chunk | None:
        """None after the last."""
        coming = asyncio.ensure_future(anext(chunks, None))
        try:
            while not (await asyncio.wait({coming}, timeout=self.terms.keep_alive_s))[0]:
                await self._room.acquire()
                self._send(SILENCE, time.perf_counter())
            return coming.result()
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    def _send(
        self, samples: Waveform, at: float, is_last: bool = False, finalize: bool = False
    ) -> None:
        place = Place(self._id, is_first=not self._count, is_last=is_last)
        self._count += 1
        self._has_ended = is_last
        self._sent.append(Sent(at, self._num_samples / self._rate, is_last))
        parameters = {wire.SAMPLE_RATE: self.terms.sample_rate, **self.terms.parameters}
        if finalize:
            parameters[wire.ASR_FINALIZE] = True
        request = Request(self._model, [samples], self.terms.outputs, parameters, place)
        self._requests.put_nowait(request)

    async def _queued(self) -> AsyncIterator[Request]:
        while request := await self._requests.get():
            yield request

    async def _next_answer(self) -> Answer | None:
        """None after the last; a wait cut short loses no answer."""
        assert self._answers is not None, "the stream has begun"
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._answers, None))
        while not self._next.done():
            waiting_s = time.perf_counter() - self._sent[0].at if self._sent else 0.0
            if waiting_s > self.terms.deadline_s:
                raise AuricleError(f"the server gave no answer to a chunk in {waiting_s:.0f} s")
            await asyncio.wait({self._next}, timeout=self.terms.deadline_s - waiting_s)
        answer, self._next = self._next, None
        return answer.result()

    async def _drain(self) -> bool:
        """Whether everything was answered, END too."""

        async def answers() -> None:
            while await self._next_answer() is not None:
                pass

        try:
            await asyncio.wait_for(answers(), CLOSING_S)
        except (AuricleError, asyncio.TimeoutError):
            return False
        return True

    async def _end_alone(self) -> None:
        """The conversation is broken: END goes by itself, and an error has nobody to hear it."""
        place = Place(self._id, is_last=True)
        end = Request(self._model, [SILENCE], (wire.TRANSCRIPTS.name,), {}, place)
        with contextlib.suppress(AuricleError):
            await self._server.transport.infer(end, CLOSING_S)


async def _each(chunks: Chunks) -> AsyncGenerator[Chunk, None]:
    """Every chunk; an ordinary iterator may block, and is asked in a thread."""
    if isinstance(chunks, AsyncIterable):
        async for each in chunks:
            yield _as_chunk(each)
        return
    iterator = iter(chunks)

    def pull() -> Waveform | Chunk | None:
        return next(iterator, None)

    while True:
        pulled = await asyncio.to_thread(pull)
        if pulled is None:
            return
        yield _as_chunk(pulled)


def _as_chunk(given: Waveform | Chunk) -> Chunk:
    chunk = given if isinstance(given, Chunk) else Chunk(given)
    if chunk.samples.ndim != 1:
        raise AudioError(f"a chunk is [num_samples], mono; got shape {chunk.samples.shape}")
    return chunk
