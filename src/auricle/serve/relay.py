"""When a stream's encoder goes on with a new state, since the positions of the old one run out.

The last windows that the old one takes are heard by the new one, too, which begins as zeros: it
takes over with a past of its own. Nothing but the number of windows decides.
"""

from dataclasses import dataclass

from auricle.spec import Streaming


@dataclass(frozen=True)
class Relay:
    """max_windows: that one state can take.  warm_up: of these, that the next one hears, too.

    done: windows of a stream since its first state began.
    """

    max_windows: int
    warm_up: int

    def __post_init__(self) -> None:
        assert 0 <= 2 * self.warm_up <= self.max_windows > 0, "two states at most hear a window"

    def needs_two(self, done: int) -> bool:
        """Whether the state that will take over hears the next window, too."""
        return done >= self._lap and done % self._lap < self.warm_up

    def takes_over(self, done: int) -> bool:
        """Whether from the next window on there is the new state alone."""
        return done >= self.max_windows and (done - self.max_windows) % self._lap == 0

    @property
    def _lap(self) -> int:
        """Windows from the beginning of one state to that of the next."""
        return self.max_windows - self.warm_up


def create_relay(streaming: Streaming) -> Relay | None:
    """None where one state takes a stream of any length."""
    if streaming.max_windows is None:
        return None
    return Relay(streaming.max_windows, streaming.warm_up)
