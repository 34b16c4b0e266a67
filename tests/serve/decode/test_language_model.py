import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.decode.fusion import Floats, Ints, Scorer
from auricle.serve.decode.language_model import (
    SILENT,
    LanguageModelScorer,
    Part,
    Spellings,
    TokenUnits,
    Units,
    WordUnits,
    key_of,
)
from tests.serve.decode.ngram_models import Reference, build, draw

WORDS = ("a", "b", "ab", "ba")
TOLERANCE = 1e-4
seeds = st.integers(0, 2**32 - 1)
texts = st.lists(st.sampled_from([*WORDS, "bb"]), max_size=6)

# Tokens of letters and spaces, the last one with two in it; the first one spells nothing.
PIECES = ("", " ", "a", "b", " a", " b", "ab", " ab", "b a", " b a b")


def word_units(reference: Reference) -> WordUnits:
    model = build(reference)
    rows = [[(place > 0, *key_of(part.encode())) for place, part in enumerate(piece.split(" "))]
            for piece in PIECES]  # fmt: skip
    none = (False, 0, 1)
    columns = [[row[place] if place < len(row) else none for row in rows] for place in range(4)]
    parts = [
        Part(
            np.array([each[0] for each in column]),
            np.array([each[1] for each in column], np.uint64),
            np.array([each[2] for each in column], np.uint64),
        )
        for column in columns
    ]
    kinds = np.ones(len(PIECES), np.int64)
    spellings = Spellings(parts, kinds, np.zeros((3, 3), np.bool_))
    texts = [(word.encode(), place) for place, word in enumerate(model.words) if word in WORDS]
    return WordUnits(model, texts, spellings)


def token_units(reference: Reference) -> TokenUnits:
    model = build(reference)
    return TokenUnits(model, np.array([SILENT, *(model.words.index(word) for word in WORDS)]))


def weigh(units: Units, alphas: list[float], betas: list[float]) -> LanguageModelScorer:
    return LanguageModelScorer(units, np.array(alphas), np.array(betas))


def walk(scorer: Scorer, tokens: Ints) -> tuple[Floats, Floats]:
    """What tokens [N, U] add, [N, U], and what the end does [N]; one hypothesis an utterance."""
    rows = np.arange(len(tokens))
    states, scores = scorer.start(len(tokens)), np.empty(tokens.shape)
    for place, column in enumerate(tokens.T):
        scores[:, place], states = scorer.advance(rows, states, column)
    return scores, scorer.finish(rows, states)


def total(scorer: Scorer, tokens: list[int]) -> float:
    scores, end = walk(scorer, np.array([tokens], np.int64))
    return float(scores.sum() + end[0])


def segment(rng: random.Random, text: str) -> list[int]:
    """One of the ways to spell a text."""
    ids = [place for place, piece in enumerate(PIECES) if piece and text.startswith(piece)]
    if not text:
        return []
    chosen = rng.choice([*ids, 0])
    return [chosen, *segment(rng, text[len(PIECES[chosen]) :])]


@given(seeds, texts)
@settings(max_examples=200, deadline=None)
def test_words_score_as_the_text_whatever_its_tokens(seed: int, text: list[str]) -> None:
    rng = random.Random(seed)
    reference = draw(rng, WORDS, 3)
    scorer = weigh(word_units(reference), [0.7], [0.3])
    tokens = segment(rng, "".join(rng.choice([" ", "  "]) + word for word in text))
    expected = 0.7 * reference.text(tuple(text)) + 0.3 * len(text)
    assert total(scorer, tokens) == pytest.approx(expected, abs=TOLERANCE)


@given(seeds, texts)
@settings(max_examples=100, deadline=None)
def test_tokens_score_as_the_text(seed: int, text: list[str]) -> None:
    reference = draw(random.Random(seed), WORDS, 3)
    words = [word for word in text if word in WORDS]
    scorer = weigh(token_units(reference), [0.7], [0.3])
    tokens = [each for word in words for each in (WORDS.index(word) + 1, 0)]
    expected = 0.7 * reference.text(tuple(words)) + 0.3 * len(words)
    assert total(scorer, tokens) == pytest.approx(expected, abs=TOLERANCE)


def test_a_word_counts_when_it_is_complete() -> None:
    units = word_units(draw(random.Random(1), WORDS, 2))
    words, _ = walk(weigh(units, [0.0], [1.0]), np.array([[2, 3, 1, 5, 0, 4]]))
    assert words.tolist() == [[0, 0, 1, 0, 0, 1]]


@pytest.mark.parametrize("units_of", [word_units, token_units])
@given(seed=seeds)
@settings(max_examples=50, deadline=None)
def test_batches_equal_singles(units_of: Callable[[Reference], Units], seed: int) -> None:
    rng = random.Random(seed)
    units = units_of(draw(rng, WORDS, 3))
    alphas, betas = [0.5, 0.0, 1.5, 0.0, 0.9], [0.1, 0.0, -0.2, 0.4, 0.0]
    tokens = np.array([[rng.randrange(5) for _ in range(7)] for _ in alphas])
    scores, ends = walk(weigh(units, alphas, betas), tokens)
    for row, weights in enumerate(zip(alphas, betas, strict=True)):
        alone = weigh(units, [weights[0]], [weights[1]])
        score, end = walk(alone, tokens[row : row + 1])
        assert (score[0].tolist(), end[0]) == (scores[row].tolist(), ends[row])


class Untouched:
    """Units that must not be asked."""

    state_size = 2

    def start(self) -> Ints:
        return np.zeros(2, np.int64)

    def advance(self, states: Ints, tokens: Ints) -> tuple[Floats, Ints, Ints]:
        raise AssertionError

    def finish(self, states: Ints) -> tuple[Floats, Ints]:
        raise AssertionError


def test_weights_of_zero_cost_nothing() -> None:
    scorer = weigh(Untouched(), [0.0, 0.0], [0.0, 0.0])
    scores, ends = walk(scorer, np.array([[1, 2], [3, 4]]))
    assert not scores.any()
    assert not ends.any()
    assert scorer.state_size == 2


@pytest.mark.parametrize("units_of", [word_units, token_units])
def test_no_hypotheses_have_no_scores(units_of: Callable[[Reference], Units]) -> None:
    scorer = weigh(units_of(draw(random.Random(1), WORDS, 2)), [1.0], [0.0])
    none = np.empty(0, np.int64)
    scores, states = scorer.advance(none, scorer.start(0), none)
    assert len(scores) == len(states) == len(scorer.finish(none, states)) == 0


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_the_key_of_two_texts_follows_from_theirs(first: bytes, second: bytes) -> None:
    (key, _), (added, power) = key_of(first), key_of(second)
    assert key_of(first + second)[0] == (key * power + added) % 2**64
