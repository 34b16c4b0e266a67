import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from auricle.serve.decode import prefix_beam
from auricle.serve.decode.fusion import Sum
from auricle.serve.decode.hypothesis import Hypothesis
from tests.serve.decode.emissions import BLANK, draw_log_probs, emit
from tests.serve.decode.scorers import Bigrams

Prefix = tuple[int, ...]
IMPOSSIBLE = -math.inf

seeds = st.integers(0, 2**32 - 1)
sharpnesses = st.sampled_from([0.3, 1.0, 3.0])


def collapse(path: Sequence[int]) -> Prefix:
    return tuple(label for label, _ in itertools.groupby(path) if label != BLANK)


def score_all_alignments(log_probs: NDArray[np.float32]) -> dict[Prefix, float]:
    """The definition: the probabilities of all paths [T, V] that spell the same, added up."""
    num_frames, vocab_size = log_probs.shape
    probs: dict[Prefix, float] = defaultdict(float)
    for path in itertools.product(range(vocab_size), repeat=num_frames):
        score = sum(float(log_probs[t, label]) for t, label in enumerate(path))
        probs[collapse(path)] += math.exp(score)
    return {prefix: math.log(prob) for prefix, prob in probs.items()}


def log_add(a: float, b: float) -> float:
    low, high = sorted((a, b))
    return high if low == IMPOSSIBLE else high + math.log1p(math.exp(low - high))


def extend_by_the_textbook(
    prefix: Prefix, in_blank: float, in_token: float, frame: Sequence[float], labels: Sequence[int]
) -> Iterator[tuple[Prefix, float, float]]:
    """What one prefix becomes, and adds to the log-probability of ending in a blank, a token."""
    either = log_add(in_blank, in_token)
    yield prefix, either + frame[BLANK], IMPOSSIBLE
    for label in set(labels) - {BLANK}:
        if prefix[-1:] == (label,):
            yield prefix, IMPOSSIBLE, in_token + frame[label]
            yield (*prefix, label), IMPOSSIBLE, in_blank + frame[label]
        else:
            yield (*prefix, label), IMPOSSIBLE, either + frame[label]


def search_by_the_textbook(
    log_probs: NDArray[np.float32], beam: int, num_labels: int
) -> list[tuple[Prefix, float]]:
    """One utterance [T, V], a dictionary of its prefixes."""
    beams: dict[Prefix, tuple[float, float]] = {(): (0.0, IMPOSSIBLE)}
    for frame in log_probs.tolist():
        ranking = sorted(range(len(frame)), key=lambda label: -frame[label])
        labels = ranking[: min(beam, num_labels)]
        grown: dict[Prefix, tuple[float, float]] = {}
        for prefix, ends in beams.items():
            for other, in_blank, in_token in extend_by_the_textbook(prefix, *ends, frame, labels):
                before = grown.get(other, (IMPOSSIBLE, IMPOSSIBLE))
                grown[other] = log_add(before[0], in_blank), log_add(before[1], in_token)
        best = sorted(grown, key=lambda prefix: -log_add(*grown[prefix]))[:beam]
        beams = {prefix: grown[prefix] for prefix in best}
    scores = {prefix: log_add(*ends) for prefix, ends in beams.items()}
    return [(prefix, score) for prefix, score in scores.items() if score > IMPOSSIBLE]


def check_against(expected: list[tuple[Prefix, float]], nbest: list[Hypothesis]) -> None:
    assert [tuple(each.ids) for each in nbest] == [prefix for prefix, _ in expected]
    # two ways to add up float64
    assert [each.score for each in nbest] == pytest.approx(
        [score for _, score in expected], abs=1e-9
    )


@settings(deadline=None)
@given(
    seed=seeds, num_frames=st.integers(1, 4), vocab_size=st.integers(2, 4), sharpness=sharpnesses
)
def test_a_wide_beam_adds_up_all_alignments(
    seed: int, num_frames: int, vocab_size: int, sharpness: float
) -> None:
    (log_probs,) = draw_log_probs(seed, [num_frames], vocab_size, sharpness)
    expected = score_all_alignments(log_probs)
    (nbest,) = prefix_beam.search(emit([log_probs], vocab_size), beam=400)
    check_against(sorted(expected.items(), key=lambda item: -item[1]), nbest)


@settings(deadline=None)
@given(
    seed=seeds,
    lens=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    vocab_size=st.integers(2, 12),
    sharpness=sharpnesses,
    beam=st.integers(1, 12),
    num_labels=st.integers(1, 12),
)
def test_every_utterance_is_searched_as_by_the_textbook(
    seed: int, lens: list[int], vocab_size: int, sharpness: float, beam: int, num_labels: int
) -> None:
    utterances = draw_log_probs(seed, lens, vocab_size, sharpness)
    found = prefix_beam.search(emit(utterances, num_labels), beam)
    for log_probs, nbest in zip(utterances, found, strict=True):
        check_against(search_by_the_textbook(log_probs, beam, num_labels), nbest)


@pytest.mark.parametrize("sharpness", [0.1, 2])
def test_long_utterances_lose_nothing(sharpness: float) -> None:
    (log_probs,) = draw_log_probs(0, [1500], vocab_size=5, sharpness=sharpness)
    (nbest,) = prefix_beam.search(emit([log_probs], num_labels=5), beam=4)
    check_against(search_by_the_textbook(log_probs, beam=4, num_labels=5), nbest)


@st.composite
def utterances_with_ties(draw: st.DrawFn) -> list[NDArray[np.float32]]:
    """Log-probabilities of few values, many of them equal, some of the impossible."""
    vocab_size = draw(st.integers(2, 6))
    values = st.sampled_from([0.0, -0.5, -1.0, -2.0, IMPOSSIBLE])
    frame = st.lists(values, min_size=vocab_size, max_size=vocab_size)
    possible = frame.filter(lambda log_probs: max(log_probs) > IMPOSSIBLE)
    lens = draw(st.lists(st.integers(0, 20), min_size=1, max_size=5))
    frames = [draw(st.lists(possible, min_size=n, max_size=n)) for n in lens]
    return [np.array(each, np.float32).reshape(-1, vocab_size) for each in frames]


@settings(deadline=None, max_examples=50)
@given(utterances=utterances_with_ties(), beam=st.integers(1, 8))
def test_batch_equals_singles(utterances: list[NDArray[np.float32]], beam: int) -> None:
    together = prefix_beam.search(emit(utterances, 4), beam)
    assert together == [prefix_beam.search(emit([each], 4), beam)[0] for each in utterances]


@settings(deadline=None, max_examples=50)
@given(utterances=utterances_with_ties(), padding=st.integers(1, 20))
def test_padding_changes_nothing(utterances: list[NDArray[np.float32]], padding: int) -> None:
    padded = prefix_beam.search(emit(utterances, 4, padding), beam=5)
    assert padded == prefix_beam.search(emit(utterances, 4), beam=5)


@settings(deadline=None, max_examples=50)
@given(utterances=utterances_with_ties(), beam=st.integers(1, 8))
def test_hypotheses_differ_and_their_scores_fall(
    utterances: list[NDArray[np.float32]], beam: int
) -> None:
    for nbest in prefix_beam.search(emit(utterances, 4), beam):
        assert 1 <= len({tuple(each.ids) for each in nbest}) == len(nbest) <= beam
        scores = [each.score for each in nbest if each.score is not None]
        assert scores == sorted(scores, reverse=True)


def test_the_blank_counts_where_it_is_not_among_the_best_labels() -> None:
    log_probs = np.log(np.array([[0.1, 0.6, 0.3]] * 2, np.float32))  # blank, 1, 2
    (nbest,) = prefix_beam.search(emit([log_probs], num_labels=2), beam=10)
    scores = {tuple(each.ids): each.score for each in nbest}
    assert scores[()] == pytest.approx(math.log(0.1 * 0.1), abs=1e-6)  # float32 in
    assert scores[(1,)] == pytest.approx(math.log(0.6 * 0.6 + 2 * 0.6 * 0.1), abs=1e-6)


def test_a_certain_blank_leaves_the_empty_hypothesis_alone() -> None:
    log_probs = np.full((50, 5), -1e4, np.float32)
    log_probs[:, BLANK] = 0
    found = prefix_beam.search(emit([log_probs], num_labels=5), beam=10)
    assert found == [[Hypothesis([], None, None, score=0.0)]]


def test_a_token_is_repeated_only_across_a_blank() -> None:
    certain = np.log(np.eye(2, dtype=np.float32).clip(1e-6))  # [label, V]
    repeated, held = certain[[1, 0, 1]], certain[[1, 1, 1]]
    found = prefix_beam.search(emit([repeated, held], num_labels=2), beam=3)
    assert [nbest[0].ids for nbest in found] == [[1, 1], [1]]


def test_no_audio_is_the_empty_hypothesis() -> None:
    silence = np.empty((0, 5), np.float32)
    empty = [Hypothesis([], None, None, score=0.0)]
    assert prefix_beam.search(emit([silence, silence], num_labels=3), beam=4) == [empty, empty]


@settings(deadline=None)
@given(
    seed=seeds,
    lens=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    vocab_size=st.integers(2, 4),
    num_scorers=st.integers(1, 2),
)
def test_a_scorer_weighs_every_prefix_of_a_wide_beam(
    seed: int, lens: list[int], vocab_size: int, num_scorers: int
) -> None:
    """Of soft labels and scores: none is so improbable that nobody asks about it."""
    utterances = draw_log_probs(seed, lens, vocab_size, sharpness=0.5)
    scorers = [Bigrams(len(lens), vocab_size, seed % 97 + each, 0.7) for each in range(num_scorers)]
    found = prefix_beam.search(emit(utterances, vocab_size), 400, Sum(scorers))
    for row, (log_probs, nbest) in enumerate(zip(utterances, found, strict=True)):
        expected = {
            prefix: score + sum(each.score(row, prefix) for each in scorers)
            for prefix, score in score_all_alignments(log_probs).items()
        }
        check_against(sorted(expected.items(), key=lambda item: -item[1]), nbest)


@settings(deadline=None)
@given(
    seed=seeds,
    lens=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    sharpness=sharpnesses,
    beam=st.integers(1, 12),
    spread=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_a_scored_batch_equals_its_singles(
    seed: int, lens: list[int], sharpness: float, beam: int, spread: float
) -> None:
    utterances = draw_log_probs(seed, lens, 6, sharpness)
    scorer = Bigrams(len(lens), 6, seed % 97, spread)
    found = prefix_beam.search(emit(utterances, 4), beam, scorer)
    for row, nbest in enumerate(found):
        (alone,) = prefix_beam.search(emit([utterances[row]], 4), beam, scorer.of(row))
        assert nbest == alone


def test_a_scorer_that_gives_nothing_changes_nothing() -> None:
    utterances = draw_log_probs(5, [30, 20], 6, sharpness=1)
    scorer = Bigrams(2, 6, 1, spread=0)
    assert prefix_beam.search(emit(utterances, 4), 4, scorer) == prefix_beam.search(
        emit(utterances, 4), 4
    )
