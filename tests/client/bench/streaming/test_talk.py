import asyncio
import time

import pytest

from auricle.client.bench.streaming.talk import Heard, Piece, Reply, Talk
from auricle.errors import AuricleError

PIECES = [Piece(b"one", 0.05), Piece(b"two", 0.1), Piece(b"three", 0.12)]


class Scripted:
    """Answers each chunk after `late_s`, but the first not at all."""

    def __init__(self, late_s: float = 0.0, fails: bool = False) -> None:
        self.sent: list[bytes] = []
        self.has_left = False
        self._late_s, self._fails = late_s, fails

    async def send(self, request: bytes) -> None:
        self.sent.append(request)

    async def receive(self, number: int) -> Reply | None:
        if number == 0:
            return None
        while len(self.sent) <= number:
            await asyncio.sleep(0.001)
        if self._fails:
            raise AuricleError("gone")
        await asyncio.sleep(self._late_s)
        return Reply(self.sent[number].decode(), time.perf_counter())

    async def leave(self) -> None:
        self.has_left = True


def hear(line: Scripted, start: float | None) -> Heard:
    async def run() -> Heard:
        return await Talk(line, PIECES, start).hear(0)

    return asyncio.run(run())


def test_a_chunk_without_an_answer_has_no_latency() -> None:
    start = time.perf_counter()
    heard = hear(line := Scripted(late_s=0.03), start)
    assert (heard.text, line.sent, line.has_left) == ("three", [b"one", b"two", b"three"], True)
    assert [due - start for due in heard.dues_s] == pytest.approx([0.1, 0.12])
    assert len(heard.latencies_s) == 2
    assert min(heard.latencies_s) >= 0.03


def test_without_a_clock_a_chunk_waits_for_the_answer_before() -> None:
    heard = hear(Scripted(), None)
    assert heard.text == "three"
    assert heard.dues_s[1] >= heard.dues_s[0] + heard.latencies_s[0]


def test_a_line_that_fails_is_left_and_told() -> None:
    heard = hear(line := Scripted(fails=True), None)
    assert (heard.text, heard.error, line.has_left) == (None, "gone", True)
