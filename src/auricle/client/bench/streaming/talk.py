"""One stream spoken to a server: chunks leave when they are due, and each answer is timed."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from tritonclient.grpc import service_pb2

from auricle.errors import AuricleError

SILENCE_S = 60.0  # without an answer, after which a stream is given up
LEAVING_S = 5.0  # for the server to close a stream
TEXT_START = 4  # bytes: a text comes after its length
LOST = (asyncio.TimeoutError, asyncio.InvalidStateError, grpc.aio.AioRpcError)


@dataclass(frozen=True)
class Piece:
    """A chunk's request as bytes, and the second of the waveform where it ends."""

    request: bytes
    end_s: float


@dataclass(frozen=True)
class Heard:
    """What came of the stream of waveform `index`.

    text: the final one; None where it failed, for the reason in error.
    dues_s, latencies_s: of each answered chunk, when its last sample was there, by
    time.perf_counter, and how much later its answer was.  first_text_s: from the first sample on.
    """

    index: int
    text: str | None
    dues_s: Sequence[float]
    latencies_s: Sequence[float]
    first_text_s: float | None
    error: str | None = None


class Talk:
    """One gRPC stream; start is when its first sample is spoken.

    Where start is None each chunk leaves when the one before is answered.
    """

    def __init__(
        self, call: grpc.aio.StreamStreamCall, pieces: Sequence[Piece], start: float | None
    ) -> None:
        self._call, self._pieces, self._start = call, pieces, start
        self._turns = asyncio.Semaphore(len(pieces) if start is not None else 1)
        self._begin = time.perf_counter() if start is None else start
        self._dues_s: list[float] = []
        self._latencies_s: list[float] = []
        self._first_text_s: float | None = None

    async def hear(self, index: int) -> Heard:
        """All of it; a failure is told in Heard."""
        writer = asyncio.create_task(self._write())
        text, error = None, None
        try:
            text = await self._read()
        except grpc.aio.AioRpcError as failure:
            error = f"{failure.code().name}: {failure.details()}"
        except AuricleError as failure:
            error = str(failure)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            with contextlib.suppress(*LOST):
                await self._leave()
        dues_s = self._dues_s[: len(self._latencies_s)]
        return Heard(index, text, dues_s, self._latencies_s, self._first_text_s, error)

    async def _write(self) -> None:
        for piece in self._pieces:
            await self._turns.acquire()
            due = time.perf_counter() if self._start is None else self._start + piece.end_s
            await asyncio.sleep(due - time.perf_counter())
            self._dues_s.append(due)
            await asyncio.shield(self._call.write(piece.request))  # a cut write ends the stream

    async def _read(self) -> str:
        """The final text."""
        text = ""
        for _ in self._pieces:
            try:
                answer = await asyncio.wait_for(self._call.read(), SILENCE_S)
            except asyncio.TimeoutError:
                raise AuricleError(f"no answer for {SILENCE_S:.0f} s") from None
            if answer is grpc.aio.EOF:
                raise AuricleError("the server left the stream")
            text = self._take(answer, time.perf_counter())
        return text

    async def _leave(self) -> None:
        """Say no more, and let the server close; Triton 2.51 may die of a stream torn off."""
        await self._call.done_writing()
        while await asyncio.wait_for(self._call.read(), LEAVING_S) is not grpc.aio.EOF:
            pass

    def _take(self, answer: service_pb2.ModelStreamInferResponse, now: float) -> str:
        if answer.error_message:
            raise AuricleError(answer.error_message)
        self._turns.release()
        self._latencies_s.append(now - self._dues_s[len(self._latencies_s)])
        text = bytes(answer.infer_response.raw_output_contents[0][TEXT_START:]).decode()
        if text and self._first_text_s is None:
            self._first_text_s = now - self._begin
        return text
