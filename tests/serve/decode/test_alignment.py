import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from auricle.serve.decode import alignment, ctc, prefix_beam
from auricle.serve.decode.hypothesis import Hypothesis
from tests.serve.decode.emissions import BLANK, draw_log_probs, emit

Times = tuple[list[int], list[float]]

seeds = st.integers(0, 2**32 - 1)


def undated(*ids: int) -> Hypothesis:
    return Hypothesis(list(ids), None, None)


def runs(path: Sequence[int]) -> list[tuple[int, int]]:
    """The token and the first frame of each run of a path."""
    starts = [t for t in range(len(path)) if t == 0 or path[t] != path[t - 1]]
    return [(path[t], t) for t in starts if path[t] != BLANK]


def align_by_trying_all_paths(log_probs: NDArray[np.float32], ids: list[int]) -> Times | None:
    """The frames and log-probabilities of ids on the most probable path [T, V] that spells them."""
    num_frames, vocab_size = log_probs.shape
    paths = itertools.product(range(vocab_size), repeat=num_frames)
    spelling = [path for path in paths if [token for token, _ in runs(path)] == ids]
    if not spelling:
        return None
    best = max(spelling, key=lambda path: log_probs[np.arange(num_frames), path].sum())
    return [t for _, t in runs(best)], [float(log_probs[t, token]) for token, t in runs(best)]


@settings(deadline=None)
@given(
    seed=seeds,
    pairs=st.lists(
        st.tuples(st.integers(0, 6), st.lists(st.integers(1, 2), max_size=4)),
        min_size=1,
        max_size=4,
    ),
)
def test_each_hypothesis_has_the_times_of_its_best_path(
    seed: int, pairs: list[tuple[int, list[int]]]
) -> None:
    utterances = draw_log_probs(seed, [num_frames for num_frames, _ in pairs], 3, sharpness=1)
    hypotheses = [undated(*ids) for _, ids in pairs]
    aligned = alignment.align(hypotheses, emit(utterances, num_labels=3))
    for log_probs, hypothesis in zip(utterances, aligned, strict=True):
        expected = align_by_trying_all_paths(log_probs, hypothesis.ids)
        assert (hypothesis.frames, hypothesis.log_probs) == (expected or (None, None))


@settings(deadline=None)
@given(seed=seeds, lens=st.lists(st.integers(0, 30), min_size=1, max_size=5))
def test_what_greedy_search_finds_has_its_times(seed: int, lens: list[int]) -> None:
    emissions = emit(draw_log_probs(seed, lens, 6, sharpness=3), num_labels=6)
    ids, log_probs = emissions.ids[..., 0], emissions.log_probs[..., 0]
    greedy = ctc.greedy_search(ids, log_probs, emissions.lens, BLANK)
    assert alignment.align([undated(*path.ids) for path in greedy], emissions) == greedy


@settings(deadline=None, max_examples=50)
@given(
    seed=seeds,
    lens=st.lists(st.integers(0, 30), min_size=1, max_size=5),
    padding=st.integers(0, 9),
    num_labels=st.integers(2, 6),
)
def test_what_prefix_beam_search_finds_is_dated_the_same_alone_and_in_a_padded_batch(
    seed: int, lens: list[int], padding: int, num_labels: int
) -> None:
    utterances = draw_log_probs(seed, lens, 6, sharpness=1)
    batch = emit(utterances, num_labels, padding)
    last = [nbest[-1] for nbest in prefix_beam.search(batch, beam=num_labels)]
    together = alignment.align(last, batch)
    alone = [
        alignment.align([hypothesis], emit([log_probs], num_labels))[0]
        for hypothesis, log_probs in zip(last, utterances, strict=True)
    ]
    assert together == alone
    assert all(each.frames is not None for each in together)


def test_a_repeated_token_has_a_frame_of_its_own() -> None:
    log_probs = np.log(np.array([[0.1, 0.9], [0.3, 0.7], [0.2, 0.8]], np.float32))
    (hypothesis,) = alignment.align([undated(1, 1)], emit([log_probs], num_labels=2))
    assert hypothesis.frames == [0, 2]
    assert hypothesis.log_probs == pytest.approx(np.log([0.9, 0.8]).tolist())


@pytest.mark.parametrize("ids", [(1, 1), (1, 2), (1, 2, 1)])
def test_times_stay_unknown_where_no_path_of_the_best_labels_spells_it(ids: list[int]) -> None:
    log_probs = np.log(np.array([[0.3, 0.5, 0.2]] * 2, np.float32))
    assert alignment.align([undated(*ids)], emit([log_probs], num_labels=2)) == [undated(*ids)]


def test_the_score_is_kept() -> None:
    log_probs = np.log(np.array([[0.4, 0.6]], np.float32))
    scored = Hypothesis([1], None, None, score=-0.5)
    (hypothesis,) = alignment.align([scored], emit([log_probs], num_labels=2))
    assert hypothesis.score == -0.5
