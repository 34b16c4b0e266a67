"""What CTC emitted, as a prefix beam search walks through it: time first, in one scale a frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.ctc import Emissions
from auricle.serve.decode.prefix_history import NO_TOKEN

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """One frame of A utterances: tokens, probs [A, K + 1], blank_probs [A, 1].

    Column K is the token that is not there: NO_TOKEN, probability 0.
    """

    tokens: NDArray[np.int32]
    probs: Floats
    blank_probs: Floats


@dataclass(frozen=True)
class Frames:
    """All frames, time first, utterances by falling length; probabilities over the frame's best.

    peaks: [T, N], logarithm of that best.  num_active: [T], utterances that have the frame.
    """

    tokens: NDArray[np.int32]
    probs: Floats
    blank_probs: Floats
    peaks: Floats
    num_active: list[int]

    def at(self, t: int, num_active: int) -> Frame:
        rows = slice(num_active)
        return Frame(self.tokens[t, rows], self.probs[t, rows], self.blank_probs[t, rows, None])

    def log_scale(self, lens: NDArray[np.int32]) -> Floats:
        """Logarithm [N] of what the probabilities of each utterance are multiples of."""
        # accumulate adds frame by frame, however many rows there are; sum does not
        sums = np.add.accumulate(np.concatenate([np.zeros((1, len(lens))), self.peaks]))
        log_scale: Floats = sums[lens, np.arange(len(lens))]
        return log_scale


def prepare(emissions: Emissions, order: Ints, num_labels: int) -> Frames:
    """The utterances in an order by falling length, each frame's num_labels best labels."""
    num_frames = int(emissions.lens.max(initial=0))
    width = min(num_labels, emissions.ids.shape[2])
    tokens = emissions.ids[order, :num_frames, :width].transpose(1, 0, 2)
    log_probs = emissions.log_probs[order, :num_frames, :width].transpose(1, 0, 2)
    log_probs = np.where(tokens == emissions.blank_id, -np.inf, log_probs.astype(np.float64))
    blank_log_probs = emissions.blank_log_probs[order, :num_frames].T.astype(np.float64)
    peaks = np.maximum(log_probs.max(axis=2), blank_log_probs)
    probs = np.exp(np.ascontiguousarray(log_probs - peaks[..., None]))
    margin = ((0, 0), (0, 0), (0, 1))
    return Frames(
        np.pad(tokens, margin, constant_values=NO_TOKEN),
        np.pad(probs, margin),
        np.exp(np.ascontiguousarray(blank_log_probs - peaks)),
        peaks,
        (np.arange(num_frames)[:, None] < emissions.lens).sum(axis=1).tolist(),
    )
