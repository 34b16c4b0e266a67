"""Arrays of many streams side by side, and of many windows one after the other."""

from collections.abc import Sequence

import numpy as np

from auricle.serve.runner import Array, Tensors


def take_row(batch: Array, row: int) -> Array:
    """A copy, lest one stream keep the states of all others in memory."""
    of_row: Array = batch[row]
    return of_row if len(batch) == 1 else of_row.copy()


def stack_rows(rows: Sequence[Array]) -> Array:
    """[N, ...]; a row alone, which may have megabytes, is not copied."""
    return rows[0][None] if len(rows) == 1 else np.stack(rows)


def join(windows: Sequence[Tensors]) -> Tensors:
    """The outputs of many windows [T, ...] as those of one utterance [1, sum of T, ...]."""
    if not windows:
        return {}
    joined: dict[str, Array] = {
        name: np.concatenate([each[name] for each in windows])[None] for name in windows[0]
    }
    num_frames = next(iter(joined.values())).shape[1]
    return joined | {"OUT_LENS": np.array([num_frames], np.int32)}
