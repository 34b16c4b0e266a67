"""Tokens as searches of whole batches find them, a step at a time, to hypotheses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.hypothesis import Hypothesis

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Emissions:
    """Tokens of one step: at most one a row, its frame, and its log-probability there; all [E]."""

    rows: Ints
    frames: Ints
    tokens: Ints
    log_probs: Floats


def collect(emissions: Sequence[Emissions], num_rows: int) -> list[Hypothesis]:
    """The hypothesis of each row; emissions are in the order of time."""
    if not emissions:
        return [Hypothesis() for _ in range(num_rows)]
    rows = np.concatenate([each.rows for each in emissions])
    order = np.argsort(rows, kind="stable")
    bounds = np.searchsorted(rows[order], np.arange(1, num_rows))
    columns = (
        np.split(np.concatenate(column)[order], bounds)
        for column in (
            [each.tokens for each in emissions],
            [each.frames for each in emissions],
            [each.log_probs for each in emissions],
        )
    )
    return [
        Hypothesis(tokens.tolist(), frames.tolist(), log_probs.tolist())
        for tokens, frames, log_probs in zip(*columns, strict=True)
    ]
