"""One stream spoken to a server: chunks leave when they are due, and each answer is timed."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from auricle.errors import AuricleError

SILENCE_S = 60.0  # without an answer, after which a stream is given up


@dataclass(frozen=True)
class Piece:
    """A chunk's request as bytes, and the second of the waveform where it ends."""

    request: bytes
    end_s: float


@dataclass(frozen=True)
class Reply:
    """The text so far, and when it came, by time.perf_counter."""

    text: str
    at: float


class Line(Protocol):
    """One stream's way to a server, whatever that server speaks; failures are AuricleErrors."""

    async def send(self, request: bytes) -> None: ...

    async def receive(self, number: int) -> Reply | None:
        """The answer that covers chunk `number` and all before; None where it brings none."""

    async def leave(self) -> None:
        """Say no more, and wait until the server has noticed."""


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
    """One stream; start is when its first sample is spoken.

    Where start is None each chunk leaves when the one before is answered.
    """

    def __init__(self, line: Line, pieces: Sequence[Piece], start: float | None) -> None:
        self._line, self._pieces, self._start = line, pieces, start
        self._turns = asyncio.Semaphore(len(pieces) if start is not None else 1)
        self._begin = time.perf_counter() if start is None else start
        self._sent_s: list[float] = []  # when each chunk was due
        self._dues_s: list[float] = []
        self._latencies_s: list[float] = []
        self._first_text_s: float | None = None

    async def hear(self, index: int) -> Heard:
        """All of it; a failure is told in Heard."""
        writer = asyncio.create_task(self._write())
        text, error = None, None
        try:
            text = await self._read()
        except AuricleError as failure:
            error = str(failure)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await self._line.leave()
        return Heard(index, text, self._dues_s, self._latencies_s, self._first_text_s, error)

    async def _write(self) -> None:
        for piece in self._pieces:
            await self._turns.acquire()
            due = time.perf_counter() if self._start is None else self._start + piece.end_s
            await asyncio.sleep(due - time.perf_counter())
            self._sent_s.append(due)
            await self._line.send(piece.request)

    async def _read(self) -> str:
        """The final text."""
        text = ""
        for number in range(len(self._pieces)):
            try:
                reply = await asyncio.wait_for(self._line.receive(number), SILENCE_S)
            except asyncio.TimeoutError:
                raise AuricleError(f"no answer for {SILENCE_S:.0f} s") from None
            self._turns.release()
            if reply:
                text = self._take(number, reply)
        return text

    def _take(self, number: int, reply: Reply) -> str:
        due = self._sent_s[number]
        self._dues_s.append(due)
        self._latencies_s.append(reply.at - due)
        if reply.text and self._first_text_s is None:
            self._first_text_s = reply.at - self._begin
        return reply.text
