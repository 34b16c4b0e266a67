"""What every search returns."""

import dataclasses
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Hypothesis:
    """Token ids with, for each, when it was said and how sure the model was of it.

    frames: where each token starts, in frames of the encoder's output; fractional where a model
        dates its tokens more finely.  None: unknown.
    log_probs: natural logarithm of each token's probability at its frame.  None: unknown.
    ends: where each token ends, in the same frames.  None: one frame behind its start, or where the
        next one starts.
    score: natural logarithm of the whole hypothesis's probability, or the score by which it was
        chosen.  None: the search gives none.
    """

    ids: list[int] = field(default_factory=list)
    frames: list[float] | None = field(default_factory=list)
    log_probs: list[float] | None = field(default_factory=list)
    ends: list[float] | None = None
    score: float | None = None

    def moved(self, frames: float) -> "Hypothesis":
        """The same, so many frames later."""
        return dataclasses.replace(
            self, frames=_moved(self.frames, frames), ends=_moved(self.ends, frames)
        )


def _moved(times: list[float] | None, frames: float) -> list[float] | None:
    return None if times is None else [frames + time for time in times]
