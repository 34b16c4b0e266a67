import signal

import pytest

from auricle.server.signals import ended_by_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_block_quietly(number: signal.Signals) -> None:
    with ended_by_signals():
        signal.raise_signal(number)
        pytest.fail("the block went on")


def test_a_signal_lets_the_block_clean_up() -> None:
    cleaned = False
    with ended_by_signals():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned = True
    assert cleaned


def test_the_handlers_of_before_are_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ended_by_signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
