"""Transducer greedy search over a whole batch, at most one token a frame, with look-ahead.

The decoder's output changes only when a token is emitted, so one joiner call may score a window of
future frames of every utterance: each takes its first token there and jumps behind it. The result
is that of the search frame by frame; the number of calls falls from the number of frames to about
tokens + frames / window.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.hypothesis import Hypothesis

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Decoder = Callable[[Ints], Floats]  # y int64 [R, context_size] -> decoder_out [R, J]
Joiner = Callable[[Floats, Floats], Floats]  # encoder_out, decoder_out [R, J] -> logit [R, V]


@dataclass(frozen=True)
class Options:
    """unk_id, where there is one, counts as blank, as in icefall's beam_search.py.

    lookahead: frames of each utterance that one joiner call scores.
    """

    context_size: int
    blank_id: int = 0
    unk_id: int | None = None
    lookahead: int = 4


def greedy_search(
    encoder_out: Floats, lens: NDArray[np.int32], decoder: Decoder, joiner: Joiner, options: Options
) -> list[Hypothesis]:
    """The first token of each frame's best label, frame by frame, for every utterance at once.

    encoder_out: float32 [N, T, J].  lens: int32 [N], valid frames.
    """
    hypotheses = [Hypothesis() for _ in lens]
    contexts = _initial_contexts(len(lens), options)
    decoder_out = decoder(contexts)  # [N, J]
    next_frame = np.zeros(len(lens), dtype=np.int64)
    while (active := np.flatnonzero(next_frame < lens)).size:
        rows, frames = _window(active, next_frame, lens, options.lookahead)
        logits = joiner(encoder_out[rows, frames], decoder_out[rows])  # [R, V]
        first = _first_emissions(rows, logits.argmax(axis=1), options)
        next_frame[active] = np.minimum(next_frame[active] + options.lookahead, lens[active])
        if not first.size:
            continue
        emitting = rows[first]
        next_frame[emitting] = frames[first] + 1
        tokens = _append(hypotheses, emitting, frames[first], logits[first])
        contexts[emitting] = np.column_stack([contexts[emitting, 1:], tokens])
        decoder_out[emitting] = decoder(contexts[emitting])
    return hypotheses


def _initial_contexts(num_rows: int, options: Options) -> Ints:
    """[-1, ..., -1, blank]: -1 embeds as zeros; what icefall's PyTorch search starts from."""
    contexts = np.full((num_rows, options.context_size), -1, dtype=np.int64)
    contexts[:, -1] = options.blank_id
    return contexts


def _window(
    active: Ints, next_frame: Ints, lens: NDArray[np.int32], size: int
) -> tuple[Ints, Ints]:
    """Row and frame of every cell to score: up to `size` frames of each active utterance."""
    frames = next_frame[active, None] + np.arange(size)  # [A, W]
    valid = frames < lens[active, None]
    rows = np.broadcast_to(active[:, None], frames.shape)
    return rows[valid], frames[valid]


def _first_emissions(rows: Ints, best: Ints, options: Options) -> Ints:
    """Indices of the first cell of each utterance whose best label is a token.

    rows: int64 [R], ascending.
    """
    emits = best != options.blank_id
    if options.unk_id is not None:
        emits &= best != options.unk_id
    cells = np.flatnonzero(emits)
    is_first = np.ones(len(cells), dtype=bool)
    is_first[1:] = rows[cells[1:]] != rows[cells[:-1]]
    first: Ints = cells[is_first]
    return first


def _append(hypotheses: list[Hypothesis], rows: Ints, frames: Ints, logits: Floats) -> Ints:
    """Add the best label of each row of logits [E, V] to its hypothesis; returns the labels."""
    tokens: Ints = logits.argmax(axis=1)
    peak = logits.max(axis=1)
    log_probs = -np.log(np.exp(logits - peak[:, None]).sum(axis=1))  # peak - logsumexp
    for row, token, frame, log_prob in zip(rows, tokens, frames, log_probs, strict=True):
        hypotheses[row].append(int(token), int(frame), float(log_prob))
    return tokens
