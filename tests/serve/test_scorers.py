"""What each utterance of a batch gets added to its hypotheses: its own, and nobody else's."""

import dataclasses

import numpy as np
import pytest

from auricle.hotword_files import Hotword
from auricle.serve.decode.context_graph import ContextGraph
from auricle.serve.decode.fusion import Floats, Ints, Scorer
from auricle.serve.options import BeamOptions, DecodingOptions
from auricle.serve.scorers import Aids, Phrases, Scorers

FIRST = ContextGraph([[1, 2]], [1.0])
SECOND = ContextGraph([[2]], [5.0])
PLAIN = BeamOptions()


class Units:
    """A language model to which token n is worth n, and the end of a text 10."""

    state_size = 1

    def start(self) -> Ints:
        return np.array([0])

    def advance(self, states: Ints, tokens: Ints) -> tuple[Floats, Ints, Ints]:
        return tokens.astype(np.float64), np.ones(len(tokens), np.int64), states + 1

    def finish(self, states: Ints) -> tuple[Floats, Ints]:
        return np.full(len(states), 10.0), np.zeros(len(states), np.int64)


def score(scorer: Scorer | None, tokens: list[int], num_rows: int) -> list[float]:
    """Of the same tokens in each row, with the end."""
    assert scorer
    rows, states, total = np.arange(num_rows), scorer.start(num_rows), np.zeros(num_rows)
    for token in tokens:
        added, states = scorer.advance(rows, states, np.full(num_rows, token))
        total += added
    found: list[float] = (total + scorer.finish(rows, states)).tolist()
    return found


def test_nobody_who_asks_for_nothing_pays() -> None:
    assert Scorers(Units()).create([PLAIN, PLAIN]) is None


def test_hotwords_are_those_of_their_row() -> None:
    asked = [PLAIN, BeamOptions(hotwords=FIRST), BeamOptions(hotwords=SECOND)]
    assert score(Scorers().create(asked), [1, 2], 3) == [0.0, 2.0, 5.0]


def test_a_language_model_has_the_weight_and_the_bonus_of_each_row() -> None:
    asked = [PLAIN, BeamOptions(lm_weight=0.5), BeamOptions(lm_weight=2.0, lm_word_bonus=-1.0)]
    assert score(Scorers(Units()).create(asked), [1, 2], 3) == [0.0, 6.5, 24.0]


def test_both_add_up() -> None:
    asked = [BeamOptions(lm_weight=0.5, hotwords=FIRST)]
    assert score(Scorers(Units()).create(asked), [1, 2], 1) == [6.5 + 2.0]


@pytest.mark.parametrize("of_streams", [False, True])
def test_a_weight_of_0_leaves_the_bonus_out_whatever_the_others_weigh(of_streams: bool) -> None:
    asked = [BeamOptions(lm_word_bonus=3.0), BeamOptions(lm_weight=1.0, lm_word_bonus=3.0)]
    scorers = Scorers(Units())
    scorer = scorers.of_streams(asked) if of_streams else scorers.create(asked)
    assert score(scorer, [1], 2) == [0.0, 14.0]


def test_streams_have_states_of_one_size_whatever_they_ask_for() -> None:
    scorers = Scorers(Units())
    several = [PLAIN, BeamOptions(lm_weight=1.0), BeamOptions(hotwords=FIRST)]
    assert {scorers.of_streams([each]).state_size for each in several} == {2}


def test_streams_that_ask_for_nothing_get_nothing() -> None:
    assert score(Scorers(Units()).of_streams([PLAIN]), [1, 2], 1) == [0.0]


def test_the_hotwords_of_config_pbtxt_are_every_request_s() -> None:
    options = DecodingOptions("prefix_beam_search", beam=BeamOptions(width=3))
    expected = dataclasses.replace(options, beam=BeamOptions(width=3, hotwords=FIRST))
    phrases = Phrases((Hotword("first"),), lambda _hotwords: FIRST)  # type: ignore[arg-type]
    assert Aids(phrases=phrases).add_to(options) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (PLAIN, False),
        (BeamOptions(lm_word_bonus=1.0), False),
        (BeamOptions(lm_weight=0.1), True),
        (BeamOptions(hotwords=FIRST), True),
    ],
)
def test_a_search_is_scored_by_what_was_asked(asked: BeamOptions, expected: bool) -> None:
    assert asked.is_scored is expected
    assert (Scorers(Units()).create([asked]) is not None) is expected
