"""What a beam search adds to what the network says of tokens: language models and hotwords.

A scorer walks an automaton along every hypothesis. Where it stands is a row of integers, which the
search carries with the hypothesis and never reads. Any number of hypotheses, of any utterances of
the batch, are asked about at once.
"""

import itertools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Scorer(Protocol):
    """state_size: integers that say where a hypothesis stands."""

    @property
    def state_size(self) -> int: ...

    def start(self, num_rows: int) -> Ints:
        """Where the empty hypotheses of a batch stand, int64 [N, state_size]."""

    def advance(self, rows: Ints, states: Ints, tokens: Ints) -> tuple[Floats, Ints]:
        """One more token behind each of R hypotheses.

        rows: int64 [R], the utterance that each is of.  states: int64 [R, state_size].  tokens:
        int64 [R], never blank.  Returns what the token adds to the score, natural logarithm,
        float64 [R], and where the hypotheses stand then.
        """

    def finish(self, rows: Ints, states: Ints) -> Floats:
        """What the end of the utterance adds to each hypothesis, float64 [R]."""


class Sum:
    """Several scorers as one: their scores added, their states side by side."""

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        self.scorers = scorers
        ends = np.cumsum([0, *(scorer.state_size for scorer in scorers)]).tolist()
        self._columns = [slice(*bounds) for bounds in itertools.pairwise(ends)]
        self.state_size: int = ends[-1]

    def start(self, num_rows: int) -> Ints:
        """As Scorer.start."""
        nothing = np.empty((num_rows, 0), np.int64)
        return np.concatenate([nothing, *(each.start(num_rows) for each in self.scorers)], axis=1)

    def advance(self, rows: Ints, states: Ints, tokens: Ints) -> tuple[Floats, Ints]:
        """As Scorer.advance."""
        scores, moved = np.zeros(len(rows)), np.empty_like(states)
        for scorer, columns in zip(self.scorers, self._columns, strict=True):
            added, moved[:, columns] = scorer.advance(rows, states[:, columns], tokens)
            scores += added
        return scores, moved

    def finish(self, rows: Ints, states: Ints) -> Floats:
        """As Scorer.finish."""
        scores = np.zeros(len(rows))
        for scorer, columns in zip(self.scorers, self._columns, strict=True):
            scores += scorer.finish(rows, states[:, columns])
        return scores


def start_states(scorer: Scorer | None, num_rows: int) -> Ints:
    """Where N empty hypotheses stand, int64 [N, S]; S is 0 without a scorer."""
    return scorer.start(num_rows) if scorer else np.empty((num_rows, 0), np.int64)


def end_scores(
    scorer: Scorer | None, scores: Sequence[Floats], states: Sequence[Ints]
) -> list[Floats]:
    """Of N utterances that end, the scores [B] of each with what the scorer says of their end.

    states: int64 [B, S] of each.
    """
    if scorer is None or not scores:
        return list(scores)
    sizes = [len(each) for each in scores]
    rows = np.repeat(np.arange(len(scores)), sizes)
    added = np.split(scorer.finish(rows, np.concatenate(states)), np.cumsum(sizes)[:-1])
    return [before + part for before, part in zip(scores, added, strict=True)]
