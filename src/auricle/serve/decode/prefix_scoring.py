"""What a scorer makes of the candidates of a CTC prefix beam search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.fusion import Floats, Ints, Scorer

# A candidate that is e^12 times less probable than the best of its frame is not asked about.
UNLIKELY = np.exp(-12.0)
MAX_SCORE = 500.0  # of a token: e^500 times the best prefix is as much as float64 holds

Hypotheses = tuple[Ints, Ints, Ints]  # as fusion.Scorer.advance: rows, states, tokens


@dataclass(frozen=True)
class Moved:
    """The candidates that a scorer was asked about, and where their prefixes stand.

    places: int64 [R], rising.  states: int64 [R, S].
    """

    places: Ints
    states: Ints

    def choose(self, places: Ints, is_new: NDArray[np.bool_], states: Ints) -> Ints:
        """The states [A, B, S] of what stays as it is, but of the new ones those of their places.

        Candidates that nobody asked about are impossible, and so are their states.
        """
        if not self.places.size:
            return states
        found = self.places.searchsorted(places)
        return np.where(is_new[..., None], self.states.take(found, axis=0, mode="clip"), states)


class Scoring:
    """A scorer of utterances that the search has in another order."""

    def __init__(self, scorer: Scorer, order: Ints) -> None:
        self._scorer = scorer
        self._order = order

    def start(self) -> Ints:
        return self._scorer.start(len(self._order))[self._order]

    def advance(self, candidates: Floats, likely: Ints, hypotheses: Hypotheses) -> Moved:
        """Multiply the likely ones of the candidates by what their tokens give; the others are 0.

        candidates: of any shape.  likely: int64 [R], their places, rising.
        """
        rows, states, tokens = hypotheses
        kept = candidates.take(likely)
        candidates.fill(0.0)
        if likely.size:
            scores, states = self._scorer.advance(self._order.take(rows), states, tokens)
            candidates.put(likely, kept * _exp(scores))
        return Moved(likely, states)

    def finish(self, total: Floats, states: Ints) -> None:
        """The same at the end, of prefixes: total [N, B], states [N, B, S]."""
        rows, slots = total.nonzero()
        scores = self._scorer.finish(self._order[rows], states[rows, slots])
        total[rows, slots] *= _exp(scores)


def _exp(scores: Floats) -> Floats:
    gains: Floats = np.exp(np.minimum(np.maximum(scores, -MAX_SCORE), MAX_SCORE))
    return gains
