"""Small random transducers that remember all tokens, RNN-T and TDT."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.recurrent import Floats, Ints, Scores

Doubles = NDArray[np.float64]
DIM, STATE, VOCAB, DURATIONS = 6, 4, 7, 5
BLANK = VOCAB - 1


class RandomNetwork:
    """An LSTM's worth of memory and a joint network, of random weights.

    What it says of a row does not depend on the others, to the last digit.
    blank: what is added to blank's score.  stays: to that of a jump of no frames.
    """

    def __init__(self, seed: int, *, is_tdt: bool, blank: float = 2.0, stays: float = 0.0) -> None:
        generator = np.random.default_rng(seed)
        self.embeddings = generator.normal(size=(VOCAB, STATE))
        self.recurrence = generator.normal(size=(STATE, STATE))
        self.from_encoder = generator.normal(size=(DIM, VOCAB + DURATIONS))
        self.from_state = generator.normal(size=(STATE, VOCAB + DURATIONS))
        self.bias = np.zeros(VOCAB + DURATIONS)
        self.bias[BLANK], self.bias[VOCAB] = blank, stays
        self.is_tdt = is_tdt
        self.num_calls = 0

    def __call__(self, encoder_out: Floats, y: Ints, states: Floats) -> Scores:
        self.num_calls += 1
        new = np.tanh(multiply(states, self.recurrence) + self.embeddings[y])
        from_state = multiply(new, self.from_state)[:, None]
        scores = multiply(encoder_out, self.from_encoder) + from_state + self.bias
        tokens = scores[..., :VOCAB]
        log_probs = tokens - np.logaddexp.reduce(tokens, axis=2, keepdims=True)
        said = Scores(log_probs.astype(np.float32), None, new.astype(np.float32))
        if not self.is_tdt:
            return said
        jumps = scores[..., VOCAB:]
        likeliest = jumps.max(axis=2) - np.logaddexp.reduce(jumps, axis=2)
        return replace(
            said, jumps=jumps.argmax(axis=2), jump_log_probs=likeliest.astype(np.float32)
        )


def multiply(rows: Floats | Doubles, weights: Doubles) -> Doubles:
    """As rows @ weights, whose sums would run in another order for another number of rows."""
    products: Doubles = (rows[..., None] * weights).sum(axis=-2)
    return products


def noise(num_rows: int, num_frames: int, seed: int) -> Floats:
    size = (num_rows, num_frames, DIM)
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)
