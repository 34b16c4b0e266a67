"""When the tokens of a hypothesis were said: its most probable alignment to what CTC emitted.

An alignment of U tokens walks through 2 U + 1 states, blank, token, blank, ..., token, blank: a
frame stays in its state, takes the next, or skips a blank between two different tokens.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode import ctc
from auricle.serve.decode.ctc import Emissions
from auricle.serve.decode.hypothesis import Hypothesis

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NO_TOKEN = -1


def align(hypotheses: Sequence[Hypothesis], emissions: Emissions) -> list[Hypothesis]:
    """The hypotheses, one for each row of emissions, with frames and log_probs.

    A token's frame is the first of its run on the most probable alignment that spells the
    hypothesis in labels of the top K: as ctc.greedy_search has it, where it finds the same tokens.
    Where there is no such alignment, both stay unknown.
    """
    ids, log_probs = emissions.ids[..., 0], emissions.log_probs[..., 0]
    dated = ctc.greedy_search(ids, log_probs, emissions.lens, emissions.blank_id)
    # no alignment at all is more probable than the greedy path, so it is the best of its tokens
    rows = [row for row, path in enumerate(dated) if path.ids != hypotheses[row].ids]
    if rows:
        tokens = [hypotheses[row].ids for row in rows]
        for row, hypothesis in zip(rows, _align(tokens, emissions, rows), strict=True):
            dated[row] = hypothesis
    return [
        dataclasses.replace(hypothesis, frames=times.frames, log_probs=times.log_probs)
        for hypothesis, times in zip(hypotheses, dated, strict=True)
    ]


def _align(ids: list[list[int]], emissions: Emissions, rows: list[int]) -> list[Hypothesis]:
    tokens = _pad(ids)  # [R, U]
    log_probs = _log_probs_of(tokens, emissions, rows)  # [R, T, U]
    blank_log_probs = emissions.blank_log_probs[rows].astype(np.float64)
    states = np.repeat(blank_log_probs[..., None], 2 * tokens.shape[1] + 1, axis=2)
    states[..., 1::2] = log_probs
    scores, moves = _walk(states, _can_be_skipped_to(tokens))
    lens = emissions.lens[rows]
    ends = _best_ends(scores, lens, [len(each) for each in ids])
    first_frames = _first_frames(moves, lens, ends, tokens.shape[1])
    hypotheses = []
    for row, (tokens_of_row, end) in enumerate(zip(ids, ends, strict=True)):
        frames = first_frames[row, : len(tokens_of_row)]
        if np.isneginf(scores[lens[row], row, end]):
            hypotheses.append(Hypothesis(tokens_of_row, None, None))
        else:
            said = log_probs[row, frames, np.arange(len(frames))]
            hypotheses.append(Hypothesis(tokens_of_row, frames.tolist(), said.tolist()))
    return hypotheses


def _pad(ids: list[list[int]]) -> Ints:
    tokens = np.full((len(ids), max(map(len, ids))), NO_TOKEN)
    for row, tokens_of_row in zip(tokens, ids, strict=True):
        row[: len(tokens_of_row)] = tokens_of_row
    return tokens


def _log_probs_of(tokens: Ints, emissions: Emissions, rows: list[int]) -> Floats:
    """Of tokens [R, U] at each frame [R, T, U]; -inf where they are not among its labels."""
    ids, log_probs = emissions.ids[rows], emissions.log_probs[rows]
    found = np.full((*ids.shape[:2], tokens.shape[1]), -np.inf)
    for rank in range(ids.shape[2]):
        is_label = ids[:, :, rank, None] == tokens[:, None]
        np.copyto(found, log_probs[:, :, rank, None], where=is_label)
    return found


def _can_be_skipped_to(tokens: Ints) -> NDArray[np.bool_]:
    """The states [R, 2 U + 1] that may follow the one before the one before."""
    can = np.zeros((len(tokens), 2 * tokens.shape[1] + 1), dtype=np.bool_)
    can[:, 3::2] = tokens[:, 1:] != tokens[:, :-1]
    return can


def _walk(log_probs: Floats, can_be_skipped_to: NDArray[np.bool_]) -> tuple[Floats, Ints]:
    """The best way to each state of log_probs [R, T, S].

    Returns its log-probability after each number of frames, [T + 1, R, S], and how many states its
    last frame walked on, [T, R, S].
    """
    num_rows, num_frames, num_states = log_probs.shape
    skip = np.where(can_be_skipped_to, 0.0, -np.inf)
    scores = np.full((num_frames + 1, num_rows, 2 + num_states), -np.inf)  # two to come from
    scores[0, :, 2] = 0  # as if in the first blank
    moves = np.empty((num_frames, num_rows, num_states), dtype=np.int64)
    for t in range(num_frames):
        before = scores[t]
        ways = np.stack([before[:, 2:], before[:, 1:-1], before[:, :-2] + skip])
        moves[t] = ways.argmax(axis=0)
        scores[t + 1, :, 2:] = ways.max(axis=0) + log_probs[:, t]
    return scores[..., 2:], moves


def _best_ends(scores: Floats, lens: NDArray[np.int32], num_tokens: list[int]) -> Ints:
    """The state [R] of each row's last frame: its last token, or the blank behind it."""
    last = 2 * np.array(num_tokens)
    rows = np.arange(len(last))
    before_last = np.maximum(last - 1, 0)
    in_token = scores[lens, rows, before_last] > scores[lens, rows, last]
    return np.where(in_token, before_last, last)


def _first_frames(moves: Ints, lens: NDArray[np.int32], ends: Ints, num_tokens: int) -> Ints:
    """The first frame [R, U] of each token on the way to the ends [R]."""
    num_frames, num_rows, _ = moves.shape
    rows = np.arange(num_rows)
    path = np.zeros((num_frames + 1, num_rows), dtype=np.int64)
    state = ends
    for t in reversed(range(num_frames)):
        path[t + 1] = state
        state = state - np.where(t < lens, moves[t, rows, state], 0)
    is_token = path[:, :, None] == 2 * np.arange(num_tokens) + 1
    first: Ints = is_token.argmax(axis=0) - 1  # path starts before the first frame
    return first
