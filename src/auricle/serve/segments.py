"""The parts of a stream that end before it does."""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from auricle.serve.decode.endpoint import RuleName
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.tokens import Alternative

Endpoint = RuleName | Literal["finalize"]  # by what a segment ended, if not by the stream's end


@dataclass(frozen=True)
class Segment:
    """Some seconds of a stream, from its start on; frames are of the encoder, from there, too.

    nbest: texts, best first, of a final one where they were asked for.
    """

    id: int = 0
    start: float = 0.0
    end: float = 0.0
    hypothesis: Hypothesis = field(default_factory=Hypothesis)
    is_final: bool = False
    endpoint: Endpoint | None = None
    nbest: tuple[Alternative, ...] | None = None

    def extend(self, added: Hypothesis, first_frame: float, end: float) -> "Segment":
        """With the tokens of a window that begins at first_frame and ends at second end."""
        known, moved = self.hypothesis, added.moved(first_frame)
        hypothesis = Hypothesis(
            known.ids + moved.ids,
            _all(known.frames) + _all(moved.frames),
            _all(known.log_probs) + _all(moved.log_probs),
        )
        return dataclasses.replace(self, hypothesis=hypothesis, end=end)

    def close(
        self,
        hypothesis: Hypothesis,
        endpoint: Endpoint | None,
        nbest: tuple[Alternative, ...] | None = None,
    ) -> "Segment":
        """hypothesis: the last word on it."""
        return dataclasses.replace(
            self, hypothesis=hypothesis, is_final=True, endpoint=endpoint, nbest=nbest
        )

    def following(self) -> "Segment":
        return Segment(self.id + 1, self.end, self.end)


def _all(known: list[float] | None) -> list[float]:
    assert known is not None, "greedy searches date and score their tokens"
    return known
