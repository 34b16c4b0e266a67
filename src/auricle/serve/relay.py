"""When a stream's encoder goes on with a new state, since the positions of the old one run out.

The last windows that the old one takes are heard by the new one, too, which begins as zeros: it
takes over with a past of its own. Nothing but the number of windows decides.
"""

from dataclasses import dataclass

from auricle.spec import Streaming


@dataclass(frozen=True)
class Relay:
    """done: windows of a stream since its first state began."""

    streaming: Streaming

    def __post_init__(self) -> None:
        longest, warm_up = self.streaming.max_windows, self.streaming.warm_up
        fits = longest is None or 0 <= 2 * warm_up <= longest > 0
        assert fits, f"of {longest} windows, two states can hear half at most, not {warm_up}"

    def needs_two(self, done: int) -> bool:
        """Whether the state that will take over hears the next window, too."""
        if self.streaming.max_windows is None:
            return False
        return done >= self._lap and done % self._lap < self.streaming.warm_up

    def takes_over(self, done: int) -> bool:
        """Whether from the next window on there is the new state alone."""
        longest = self.streaming.max_windows
        return longest is not None and done >= longest and (done - longest) % self._lap == 0

    @property
    def _lap(self) -> int:
        """Windows from the beginning of one state to that of the next."""
        assert self.streaming.max_windows is not None, "without an end there are no laps"
        return self.streaming.max_windows - self.streaming.warm_up
