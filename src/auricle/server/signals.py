"""SIGINT and SIGTERM as the end of a block, so that what the block started is stopped."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A signal asks us to stop. Not an Exception: nobody may take it for a failure."""


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """The block ends quietly at a signal; a second one ends its own cleaning up, too."""
    previous = {number: signal.signal(number, leave) for number in STOPPING}
    try:
        yield
    except Stopped:
        pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # signal's interface
    raise Stopped(signal.Signals(number).name)
