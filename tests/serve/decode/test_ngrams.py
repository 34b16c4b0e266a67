import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.decode.ngrams import KeyIndex, NgramModel
from tests.serve.decode.ngram_models import Reference, Words, build, draw

WORDS = ("a", "b", "c", "d")
TOLERANCE = 1e-5  # float32 log-probabilities of at most 9, ten of them at most
seeds = st.integers(0, 2**32 - 1)
orders = st.integers(1, 5)


def ids_of(model: NgramModel, words: list[str]) -> list[int]:
    return [model.words.index(each) if each in model.words else model.unk_id for each in words]


def walk(model: NgramModel, words: list[str]) -> list[float]:
    state, scores = np.array([model.start]), []
    for word in ids_of(model, words):
        score, state = model.score(state, np.array([word]))
        scores.append(score[0])
    return [*scores, model.end(state)[0]]


def define(reference: Reference, words: list[str]) -> list[float]:
    said = ("<s>", *words)
    scores = [reference.score(said[: i + 1], word) for i, word in enumerate(words)]
    return [*scores, reference.score(said, "</s>")]


@given(seeds, orders, st.booleans())
@settings(max_examples=200, deadline=None)
def test_scores_are_those_of_the_definition(seed: int, order: int, has_unk: bool) -> None:
    rng = random.Random(seed)
    reference = draw(rng, WORDS, order, has_unk=has_unk)
    model = build(reference)
    for _ in range(10):
        words = rng.choices([*WORDS, "never seen"], k=rng.randint(0, 8))
        expected = define(reference, words)
        assert walk(model, words) == pytest.approx(expected, abs=TOLERANCE)


@given(seeds, orders)
@settings(max_examples=50, deadline=None)
def test_batches_equal_singles(seed: int, order: int) -> None:
    rng = random.Random(seed)
    model = build(draw(rng, WORDS, order))
    states = np.full(20, model.start)
    for _ in range(5):
        words = np.array(ids_of(model, rng.choices(WORDS, k=20)))
        scores, moved = model.score(states, words)
        for row in range(20):
            score, state = model.score(states[[row]], words[[row]])
            assert (score[0], state[0]) == (scores[row], moved[row])
        states = moved


def test_no_hypotheses_have_no_scores() -> None:
    model = build(draw(random.Random(1), WORDS, 3))
    nothing = np.empty(0, np.int64)
    assert [len(each) for each in model.score(nothing, nothing)] == [0, 0]


def test_histories_that_the_model_does_not_tell_apart_share_a_state() -> None:
    log_probs: dict[Words, float] = {(word,): -1.0 for word in ("<s>", "</s>", "<unk>", *WORDS)}
    model = build(Reference({**log_probs, ("a", "b"): -0.5}, {("a",): -0.1}, order=2))
    first, second = ids_of(model, ["c"]), ids_of(model, ["d"])
    states = np.array([model.start])
    assert model.score(states, np.array(first))[1] == model.score(states, np.array(second))[1]


@given(st.sets(st.integers(-(2**63), 2**63 - 1), max_size=300))
def test_an_index_finds_its_keys_and_no_others(known: set[int]) -> None:
    keys = np.array(sorted(known), np.int64)
    index, order = KeyIndex.sort(keys)
    slots, found = index.find(keys)
    assert found.all()
    assert keys[order][slots].tolist() == keys.tolist()
    others = np.array([key for key in range(300) if key not in known], np.int64)
    assert not index.find(others)[1].any()
