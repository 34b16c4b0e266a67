"""A scorer as small as can be, to hold beam searches to."""

import itertools

import numpy as np

from auricle.serve.decode.fusion import Floats, Ints


class Bigrams:
    """Random scores of pairs of tokens, others for every utterance; the state is the last token.

    tables: [N, V + 1, V + 1]; row V is the start, column V the end.
    """

    state_size = 1

    def __init__(self, num_rows: int, vocab_size: int, seed: int, spread: float = 2.0) -> None:
        shape = (num_rows, vocab_size + 1, vocab_size + 1)
        self.vocab_size = vocab_size
        self.tables = np.random.default_rng(seed).normal(0, spread, shape)

    def start(self, num_rows: int) -> Ints:
        return np.full((num_rows, 1), self.vocab_size)

    def advance(self, rows: Ints, states: Ints, tokens: Ints) -> tuple[Floats, Ints]:
        return self.tables[rows, states[:, 0], tokens], tokens[:, None]

    def finish(self, rows: Ints, states: Ints) -> Floats:
        scores: Floats = self.tables[rows, states[:, 0], self.vocab_size]
        return scores

    def of(self, row: int) -> "Bigrams":
        """The same for that utterance alone."""
        alone = Bigrams(1, self.vocab_size, 0)
        alone.tables = self.tables[row : row + 1]
        return alone

    def score(self, row: int, tokens: tuple[int, ...]) -> float:
        """Of a whole hypothesis."""
        path = (self.vocab_size, *tokens, self.vocab_size)
        return float(sum(self.tables[row, a, b] for a, b in itertools.pairwise(path)))
