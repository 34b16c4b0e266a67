"""Continuous integrate-and-fire: as many tokens as the predictor counted, all decoded at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.hypothesis import Hypothesis

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

# FunASR's rule for times, funasr_onnx/utils/timestamp_utils.py; a step is 20 ms.
STEPS_PER_FRAME = 3  # of the encoder, 60 ms
FIRED = 1.0 - 1e-4
SHIFT = -1.5  # steps from a peak to the start of its token
MAX_TOKEN_STEPS = 30  # what is longer ends in silence
MAX_TAIL_STEPS = 5  # what is left behind the last peak, if longer, is half silence


@dataclass(frozen=True)
class Tokens:
    """ids: int32 [N, U].  log_probs: float32 [N, U].  lens: int32 [N], tokens, ends counted."""

    ids: Ints
    log_probs: Floats
    lens: Ints


@dataclass(frozen=True)
class Peaks:
    """values: float32 [N, 3 T], where the predictor fired.  lens: int32 [N], frames, up to T."""

    values: Floats
    lens: Ints


@dataclass(frozen=True)
class Options:
    """num_end_tokens: counted tokens behind the text.  special_ids: no text: <blank>, </s>."""

    num_end_tokens: int
    special_ids: tuple[int, ...]


def greedy_search(tokens: Tokens, peaks: Peaks | None, options: Options) -> list[Hypothesis]:
    """The tokens of each utterance without those that are no text; none of silence.

    Times need peaks: one for the start of each token, and one for the end of the last. Where their
    number differs, or without them, the times are unknown.
    """
    is_text = ~np.isin(tokens.ids, options.special_ids)
    is_text &= np.arange(tokens.ids.shape[1]) < tokens.lens[:, None]
    hypotheses = []
    for row, num_tokens in enumerate(tokens.lens):
        # specials first, then the count: as FunASR, where one stands amid the text
        said = np.flatnonzero(is_text[row])[: max(num_tokens - options.num_end_tokens, 0)]
        frames, ends = _times(peaks, row, len(said)) if peaks else (None, None)
        ids, log_probs = tokens.ids[row, said].tolist(), tokens.log_probs[row, said].tolist()
        hypotheses.append(Hypothesis(ids, frames, log_probs, ends))
    return hypotheses


Open = Sequence[float]  # a token's id and log-probability, or nothing
NOTHING_OPEN: Open = ()


@dataclass(frozen=True)
class Window:
    """What a window of N streams says, each array's first axis.

    ids, frames: int32 [N, U], and log_probs float32 [N, U]; behind a row's tokens stands the one
    that is still open.  num_tokens: int32 [N].  has_tail: int32 [N], whether an end completes it.
    """

    ids: Ints
    log_probs: Floats
    frames: Ints
    num_tokens: Ints
    has_tail: Ints


def continue_search(
    window: Window, special_ids: tuple[int, ...]
) -> tuple[list[Hypothesis], list[Open]]:
    """What the window adds to each stream, each token dated by where it fires; what is open."""
    is_text = ~np.isin(window.ids, special_ids)
    found, opens = [], []
    for row, num_tokens in enumerate(window.num_tokens):
        said = np.flatnonzero(is_text[row, :num_tokens])
        columns = (window.ids, window.frames, window.log_probs)
        found.append(Hypothesis(*(column[row, said].tolist() for column in columns)))
        is_open = window.has_tail[row] and is_text[row, num_tokens]
        opens.append(
            (int(window.ids[row, num_tokens]), float(window.log_probs[row, num_tokens]))
            if is_open
            else NOTHING_OPEN
        )
    return found, opens


def complete(still_open: Open) -> Hypothesis:
    """The token that a stream's end completes, in the last frame before it."""
    if still_open == NOTHING_OPEN:
        return Hypothesis()
    token_id, log_prob = still_open
    return Hypothesis([int(token_id)], [-1.0], [log_prob])


def _times(
    peaks: Peaks, row: int, num_tokens: int
) -> tuple[list[float], list[float]] | tuple[None, None]:
    """Where each token starts and ends, in frames of the encoder; a token lasts until the next."""
    if num_tokens == 0:
        return [], []
    num_steps = STEPS_PER_FRAME * int(peaks.lens[row])
    fired = np.flatnonzero(peaks.values[row, :num_steps] > FIRED) + SHIFT
    if len(fired) != num_tokens + 1:
        return None, None
    starts, last = fired[:-1], fired[-1]
    ends = np.minimum(fired[1:], starts + MAX_TOKEN_STEPS)
    ends[-1] = (num_steps + last) / 2 if num_steps - last > MAX_TAIL_STEPS else num_steps
    frames: list[float] = (starts.clip(0) / STEPS_PER_FRAME).tolist()
    return frames, (ends / STEPS_PER_FRAME).tolist()
