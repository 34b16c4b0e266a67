"""CTC: what an encoder emits, and the best path of every utterance of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.hypothesis import Hypothesis

NO_LABEL = -1  # before the first frame


@dataclass(frozen=True)
class Emissions:
    """The most probable labels of each frame, and the blank; natural logarithms.

    ids: int32 [N, T, K], best first.  log_probs: float32 [N, T, K].  blank_log_probs: float32
    [N, T], of the blank, whether or not it is among the K.  lens: int32 [N], valid frames.
    """

    ids: NDArray[np.int32]
    log_probs: NDArray[np.float32]
    blank_log_probs: NDArray[np.float32]
    lens: NDArray[np.int32]
    blank_id: int

    def take(self, rows: Sequence[int]) -> "Emissions":
        """Those of some utterances; all of them, in their order, are not copied."""
        if len(rows) == len(self.lens):
            return self
        chosen = list(rows)
        return Emissions(
            self.ids[chosen],
            self.log_probs[chosen],
            self.blank_log_probs[chosen],
            self.lens[chosen],
            self.blank_id,
        )


def greedy_search(
    ids: NDArray[np.int32], log_probs: NDArray[np.float32], lens: NDArray[np.int32], blank_id: int
) -> list[Hypothesis]:
    """Best path per utterance: repeats collapsed, blanks dropped.

    ids: int32 [N, T], the most probable token of each frame.  log_probs: float32 [N, T], its
    natural logarithm.  lens: int32 [N], valid frames.  A token's frame is the first of its run.
    """
    valid = np.arange(ids.shape[1]) < lens[:, None]
    before = np.full(len(ids), NO_LABEL, ids.dtype)
    return _collapse(ids, log_probs, _starts_run(ids, before, blank_id) & valid)


def continue_search(
    ids: NDArray[np.int32],
    log_probs: NDArray[np.float32],
    before: NDArray[np.int32],
    blank_id: int,
) -> tuple[list[Hypothesis], NDArray[np.int32]]:
    """The same over the next frames of streams, all of them valid.

    before: int32 [N], the label of each stream's frame before these, NO_LABEL where there is none.
    Returns what these frames add, dated from their first, and the labels of the last ones.
    """
    return _collapse(ids, log_probs, _starts_run(ids, before, blank_id)), ids[:, -1]


def _starts_run(
    ids: NDArray[np.int32], before: NDArray[np.int32], blank_id: int
) -> NDArray[np.bool_]:
    """Whether a frame is the first of a run of its token."""
    previous = np.concatenate([before[:, None], ids[:, :-1]], axis=1)
    starts: NDArray[np.bool_] = (ids != blank_id) & (ids != previous)
    return starts


def _collapse(
    ids: NDArray[np.int32], log_probs: NDArray[np.float32], keep: NDArray[np.bool_]
) -> list[Hypothesis]:
    return [
        Hypothesis(row[mask].tolist(), np.flatnonzero(mask).tolist(), scores[mask].tolist())
        for row, mask, scores in zip(ids, keep, log_probs, strict=True)
    ]
