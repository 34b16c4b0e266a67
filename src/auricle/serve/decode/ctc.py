"""CTC: the best path of every utterance of a batch."""

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.hypothesis import Hypothesis


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
