"""Load on a server, whatever its protocol: so many requests at a time, or so many a second."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from auricle.errors import AuricleError, BusyError


class Sender(Protocol):
    async def __call__(self, index: int) -> str:
        """The transcript of waveform `index`; a failure is an AuricleError, refusal a BusyError."""


@dataclass(frozen=True)
class Answer:
    """One request: waveform `index`, due `due_s` after the start, answered `latency_s` later."""

    index: int
    due_s: float
    latency_s: float
    text: str | None
    error: str | None = None
    is_refused: bool = False


@dataclass(frozen=True)
class Load:
    """A closed loop of `concurrency` callers, or else an open one of `rate` requests a second."""

    concurrency: int | None = None
    rate: float | None = None

    def __str__(self) -> str:
        return f"{self.rate:g} requests/s" if self.rate else f"concurrency {self.concurrency}"


async def drive(send: Sender, order: Sequence[int], load: Load) -> list[Answer]:
    """Send the waveforms of `order`; answers come in the order in which they arrived."""
    if load.rate:
        return await _open_loop(send, order, load.rate)
    assert load.concurrency, "a load has a rate or a concurrency"
    return await _closed_loop(send, order, load.concurrency)


async def _closed_loop(send: Sender, order: Sequence[int], concurrency: int) -> list[Answer]:
    """Every caller sends its next request when the one before is answered."""
    start = time.perf_counter()
    waiting, answers = iter(order), list[Answer]()

    async def call() -> None:
        for index in waiting:
            answers.append(await _ask(send, index, start, time.perf_counter() - start))

    await asyncio.gather(*(call() for _ in range(concurrency)))
    return answers


async def _open_loop(send: Sender, order: Sequence[int], rate: float) -> list[Answer]:
    """Requests leave on time, however slow the answers; latency counts from when each was due."""
    start = time.perf_counter()
    answers = list[Answer]()

    async def call(index: int, due_s: float) -> None:
        answers.append(await _ask(send, index, start, due_s))

    calls = []
    for number, index in enumerate(order):
        await asyncio.sleep(start + number / rate - time.perf_counter())
        calls.append(asyncio.create_task(call(index, number / rate)))
    await asyncio.gather(*calls)
    return answers


async def _ask(send: Sender, index: int, start: float, due_s: float) -> Answer:
    try:
        text = await send(index)
    except AuricleError as error:
        latency_s = time.perf_counter() - start - due_s
        return Answer(index, due_s, latency_s, None, str(error), isinstance(error, BusyError))
    return Answer(index, due_s, time.perf_counter() - start - due_s, text)
