"""The prefix beam search against the sum over every path."""

import itertools

import numpy as np
import pytest

from training.decode import BLANK, ctc_prefix_beam


def every_path(
    log_probs: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> dict[tuple[int, ...], float]:
    """Sums over V ** T paths."""
    sums: dict[tuple[int, ...], float] = {}
    num_frames, num_tokens = log_probs.shape
    for path in itertools.product(range(num_tokens), repeat=num_frames):
        collapsed = tuple(token for token, _ in itertools.groupby(path) if token != BLANK)
        score = sum(float(log_probs[frame, token]) for frame, token in enumerate(path))
        sums[collapsed] = float(np.logaddexp(sums.get(collapsed, -np.inf), score))
    return sums


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_that_keeps_all_finds_every_score(seed: int) -> None:
    logits = np.random.default_rng(seed).standard_normal((5, 3)).astype(np.float32)
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    expected = every_path(log_probs)
    actual = ctc_prefix_beam(log_probs, beam=10**4)
    assert actual.keys() == expected.keys()
    for prefix, score in expected.items():
        assert actual[prefix] == pytest.approx(score, abs=1e-4)


def test_the_best_comes_first() -> None:
    logits = np.random.default_rng(0).standard_normal((8, 6)).astype(np.float32)
    scores = list(ctc_prefix_beam(logits, beam=4).values())
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
