"""CTC: what an encoder emits, and the best path of every utterance of a batch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.hypothesis import Hypothesis


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


def greedy_search(
    ids: NDArray[np.int32], log_probs: NDArray[np.float32], lens: NDArray[np.int32], blank_id: int
) -> list[Hypothesis]:
    """Best path per utterance: repeats collapsed, blanks dropped.

    ids: int32 [N, T], the most probable token of each frame.  log_probs: float32 [N, T], its
    natural logarithm.  lens: int32 [N], valid frames.  A token's frame is the first of its run.
    """
    num_frames = ids.shape[1]
    previous = np.concatenate([np.full_like(ids[:, :1], -1), ids[:, :-1]], axis=1)
    valid = np.arange(num_frames) < lens[:, None]
    keep = valid & (ids != blank_id) & (ids != previous)
    return [
        Hypothesis(row[mask].tolist(), np.flatnonzero(mask).tolist(), scores[mask].tolist())
        for row, mask, scores in zip(ids, keep, log_probs, strict=True)
    ]
