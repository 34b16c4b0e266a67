import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from auricle.client.bench.load import Load, drive
from auricle.errors import AuricleError, BusyError


@dataclass
class Callee:
    """Answers with the index after `delay_s`, and keeps how many requests were in flight."""

    delay_s: float = 0.0
    in_flight: int = 0
    crowds: list[int] = field(default_factory=list)
    failures: dict[int, AuricleError] = field(default_factory=dict)

    async def __call__(self, index: int) -> str:
        self.in_flight += 1
        self.crowds.append(self.in_flight)
        await asyncio.sleep(self.delay_s)
        self.in_flight -= 1
        if index in self.failures:
            raise self.failures[index]
        return str(index)


def test_a_closed_loop_keeps_so_many_requests_in_flight() -> None:
    callee = Callee(delay_s=0.002)
    asyncio.run(drive(callee, range(20), Load(concurrency=4)))
    assert max(callee.crowds) == 4
    assert Counter(callee.crowds)[4] > 10


@pytest.mark.parametrize("load", [Load(concurrency=3), Load(rate=500)])
def test_every_waveform_is_sent_and_answered(load: Load) -> None:
    order = [2, 0, 1, 1, 2, 0]
    answers = asyncio.run(drive(Callee(), order, load))
    assert sorted((each.index, each.text) for each in answers) == sorted(
        (index, str(index)) for index in order
    )


def test_slow_answers_do_not_hold_an_open_loop_back() -> None:
    callee = Callee(delay_s=0.2)
    answers = asyncio.run(drive(callee, range(10), Load(rate=100)))
    assert max(callee.crowds) == 10
    assert [each.due_s for each in answers] == pytest.approx([n / 100 for n in range(10)])
    assert all(each.latency_s >= 0.2 for each in answers)


def test_a_failure_is_an_answer_and_ends_nothing() -> None:
    refusal, failure = BusyError("full"), AuricleError("broken")
    callee = Callee(failures={1: refusal, 2: failure})
    answers = asyncio.run(drive(callee, range(4), Load(concurrency=1)))
    assert [each.text for each in answers] == ["0", None, None, "3"]
    assert [each.error for each in answers] == [None, "full", "broken", None]
    assert [each.is_refused for each in answers] == [False, True, False, False]


def test_a_load_says_what_it_is() -> None:
    assert [str(Load(concurrency=32)), str(Load(rate=2.5))] == ["concurrency 32", "2.5 requests/s"]
