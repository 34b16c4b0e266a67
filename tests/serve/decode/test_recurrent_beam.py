"""RNN-T and TDT beam search against one of a single utterance, and against all there is to say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.decode import recurrent, recurrent_beam
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.recurrent import Floats, Options
from tests.serve.decode import recurrent_textbook as textbook
from tests.serve.decode.predictors import BLANK, DIM, STATE, VOCAB, RandomNetwork, noise
from tests.serve.decode.scorers import Bigrams

seeds = st.integers(0, 2**32 - 1)
penalties = st.sampled_from([0.0, 0.0, 1.5, -1.0])
lengths = st.lists(st.integers(0, 12), min_size=1, max_size=5)


@dataclass(frozen=True)
class Setting:
    """What a search is told, besides the frames."""

    network: RandomNetwork
    options: Options
    beam: int
    scorer: Bigrams | None = None
    blank_penalty: float = 0.0

    def search(self, encoder_out: Floats, lens: Sequence[int]) -> list[list[Hypothesis]]:
        return recurrent_beam.search(
            encoder_out, np.array(lens, np.int32), self.network, self.options,
            self.beam, self.scorer, self.blank_penalty,
        )  # fmt: skip

    def start(self, num_rows: int) -> list[recurrent_beam.Beam]:
        return recurrent_beam.start(num_rows, self.options, self.scorer)

    def move(
        self, encoder_out: Floats, streams: Sequence[recurrent_beam.Beam]
    ) -> list[recurrent_beam.Beam]:
        return recurrent_beam.continue_search(
            encoder_out, streams, self.network, self.options,
            self.beam, self.scorer, self.blank_penalty,
        )  # fmt: skip

    def finish(self, streams: Sequence[recurrent_beam.Beam]) -> list[list[Hypothesis]]:
        return recurrent_beam.finish(streams, self.scorer)

    def search_alone(self, encoder_out: Floats, row: int) -> list[Hypothesis]:
        """encoder_out: [T, D], of the row."""
        scorer = self.scorer.of(row) if self.scorer else None
        rules = textbook.Rules(self.options, self.beam, scorer, self.blank_penalty)
        return textbook.search(encoder_out, self.network, rules)


networks = st.builds(
    RandomNetwork,
    seeds,
    is_tdt=st.booleans(),
    blank=st.floats(-1, 5),
    stays=st.floats(-3, 3),
)
settings_of = st.builds(
    lambda network, lookahead, most, beam, seed, penalty: Setting(
        network,
        Options(BLANK, STATE, lookahead, most),
        beam,
        Bigrams(5, VOCAB, seed, 1.0) if seed else None,
        penalty,
    ),
    networks, st.integers(1, 6), st.sampled_from([1, 3, 10]), st.integers(1, 9),
    st.none() | seeds, penalties,
)  # fmt: skip


def check_against(expected: list[Hypothesis], found: list[Hypothesis]) -> None:
    assert [(each.ids, each.frames) for each in found] == [
        (each.ids, each.frames) for each in expected
    ]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-9)  # float64
        assert ours.log_probs == pytest.approx(theirs.log_probs, abs=1e-6)  # float32


@settings(deadline=None)
@given(setting=settings_of, seed=seeds, lens=lengths)
def test_a_batch_finds_what_the_textbook_finds_one_by_one(
    setting: Setting, seed: int, lens: list[int]
) -> None:
    encoder_out = noise(len(lens), max(lens) + 2, seed)
    found = setting.search(encoder_out, lens)
    for row, nbest in enumerate(found):
        check_against(setting.search_alone(encoder_out[row, : lens[row]], row), nbest)


@settings(deadline=None)
@given(setting=settings_of, seed=seeds, cuts=st.lists(st.integers(0, 5), max_size=6))
def test_any_chunking_equals_one_chunk(setting: Setting, seed: int, cuts: list[int]) -> None:
    """Of two streams, side by side."""
    encoder_out = noise(2, sum(cuts) + 1, seed)
    streams, begun = setting.start(2), 0
    for length in [*cuts, 1]:
        streams = setting.move(encoder_out[:, begun : begun + length], streams)
        begun += length
    for found, expected in zip(
        setting.finish(streams), setting.search(encoder_out, [begun] * 2), strict=True
    ):
        check_against(expected, found)


@settings(deadline=None)
@given(setting=settings_of, seed=seeds, data=st.data())
def test_streams_of_any_batch_equal_streams_alone(
    setting: Setting, seed: int, data: st.DataObject
) -> None:
    setting = replace(setting, scorer=None)
    encoder_out = noise(4, 12, seed)
    streams, heard = setting.start(4), [0] * 4
    for _ in range(6):
        rows = data.draw(st.lists(st.integers(0, 3), unique=True, min_size=1))
        if any(heard[row] == 12 for row in rows):
            continue
        frames = np.stack([encoder_out[row, heard[row] : heard[row] + 2] for row in rows])
        moved = setting.move(frames, [streams[row] for row in rows])
        for row, stream in zip(rows, moved, strict=True):
            streams[row] = stream
            heard[row] += 2
    for row, nbest in enumerate(setting.finish(streams)):
        check_against(setting.search_alone(encoder_out[row, : heard[row]], row), nbest)


@settings(deadline=None, max_examples=200)
@given(
    network=networks, seed=seeds, lens=lengths, lookahead=st.integers(1, 6),
    most=st.sampled_from([1, 3, 10]),
)  # fmt: skip
def test_a_beam_of_one_is_the_greedy_search(
    network: RandomNetwork, seed: int, lens: list[int], lookahead: int, most: int
) -> None:
    encoder_out, options = noise(len(lens), max(lens) + 2, seed), Options(BLANK, STATE, 4, most)
    found = Setting(network, replace(options, lookahead=lookahead), 1).search(encoder_out, lens)
    greedy = recurrent.greedy_search(encoder_out, np.array(lens, np.int32), network, options)
    for nbest, theirs in zip(found, greedy, strict=True):
        check_against([replace(theirs, score=nbest[0].score)], nbest)


@settings(deadline=None, max_examples=30)
@given(
    network=networks, seed=seeds,
    size=st.sampled_from([(0, 2), (1, 1), (1, 3), (2, 1), (2, 2), (3, 1)]),
    penalty=penalties,
)  # fmt: skip
def test_a_beam_that_holds_everything_adds_up_all_alignments(
    network: RandomNetwork, seed: int, size: tuple[int, int], penalty: float
) -> None:
    num_frames, most = size
    options = Options(BLANK, STATE, 2, most)
    encoder_out = noise(1, num_frames, seed)
    (found,) = Setting(network, options, 4000, None, penalty).search(encoder_out, [num_frames])
    scores = {tuple(each.ids): math.exp(each.score or 0) for each in found}
    expected = textbook.enumerate_all(encoder_out[0], network, options, penalty)
    assert scores == pytest.approx(expected, abs=1e-6)
    assert len(scores) == len(found)
    assert network.is_tdt or sum(scores.values()) == pytest.approx(1, abs=1e-5)
    assert scores[tuple(found[0].ids)] == max(scores.values())


def test_no_utterances_have_no_hypotheses() -> None:
    setting = Setting(RandomNetwork(0, is_tdt=False), Options(BLANK, STATE), 4)
    assert setting.search(np.zeros((0, 5, DIM), np.float32), []) == []
    assert replace(setting, scorer=Bigrams(1, VOCAB, 0)).finish([]) == []


def test_utterances_of_no_frames_have_the_empty_hypothesis_and_ask_nothing() -> None:
    setting = Setting(RandomNetwork(0, is_tdt=False), Options(BLANK, STATE), 9)
    assert setting.search(noise(2, 5, 0), [0, 0]) == [[Hypothesis([], [], [], score=0.0)]] * 2
    assert setting.network.num_calls == 0


def test_blanks_cost_a_call_a_window() -> None:
    network = RandomNetwork(0, is_tdt=False, blank=1e9)
    Setting(network, Options(BLANK, STATE, lookahead=8), 1).search(noise(3, 40, 0), [40, 33, 7])
    assert network.num_calls == 5


def test_a_round_of_all_utterances_is_one_call() -> None:
    alone, beside = (
        Setting(RandomNetwork(3, is_tdt=True), Options(BLANK, STATE), 4) for _ in range(2)
    )
    frames = noise(1, 30, 0)
    alone.search(frames, [30])
    beside.search(np.repeat(frames, 8, axis=0), [30] * 8)
    assert beside.network.num_calls == alone.network.num_calls


def test_a_search_leaves_the_memory_that_it_was_given() -> None:
    setting = Setting(
        RandomNetwork(0, is_tdt=True, blank=-1), Options(BLANK, STATE), 4, Bigrams(2, VOCAB, 0)
    )
    windows = [noise(2, 5, seed) for seed in range(2)]
    streams = setting.move(windows[0], setting.start(2))
    first = setting.finish(setting.move(windows[1], streams))
    assert setting.finish(setting.move(windows[1], streams)) == first


def test_the_scorer_speaks_of_the_end_only_when_it_comes() -> None:
    setting = Setting(
        RandomNetwork(0, is_tdt=False, blank=-1), Options(BLANK, STATE), 4, Bigrams(1, VOCAB, 0)
    )
    streams = setting.move(noise(1, 6, 1), setting.start(1))
    (partial,) = recurrent_beam.hypotheses(streams)
    (final,) = setting.finish(streams)
    scores = [{tuple(each.ids): each.score or 0 for each in nbest} for nbest in (partial, final)]
    table = Bigrams(1, VOCAB, 0).tables[0]
    added = {ids: score + table[ids[-1], VOCAB] for ids, score in scores[0].items()}
    assert scores[1] == pytest.approx(added)


@settings(deadline=None)
@given(network=networks, seed=seeds)
def test_the_next_segment_goes_on_where_the_best_hypothesis_stands(
    network: RandomNetwork, seed: int
) -> None:
    """So that a beam of one says in two segments what the greedy search says in one."""
    setting = Setting(network, Options(BLANK, STATE), 1)
    encoder_out = noise(2, 12, seed)
    expected = recurrent.greedy_search(
        encoder_out, np.full(2, 12, np.int32), network, setting.options
    )
    streams = setting.move(encoder_out[:, :5], setting.start(2))
    first = setting.finish(streams)
    again = recurrent_beam.restart(streams)
    assert [each.num_frames for each in again] == [0, 0]
    assert recurrent_beam.hypotheses(again) == [[Hypothesis([], [], [], score=0.0)]] * 2
    second = setting.finish(setting.move(encoder_out[:, 5:], again))
    for row, whole in enumerate(expected):
        parts = first[row][0], second[row][0].moved(5)
        assert [each for part in parts for each in part.ids] == whole.ids
        assert [each for part in parts for each in part.frames or []] == whole.frames


@settings(max_examples=30, deadline=None)
@given(network=networks, seed=seeds)
def test_the_next_segment_goes_on_behind_what_the_scorer_s_last_word_made_best(
    network: RandomNetwork, seed: int
) -> None:
    setting = Setting(network, Options(BLANK, STATE), 4, Bigrams(2, VOCAB, seed, 3.0))
    streams = setting.move(noise(2, 8, seed), setting.start(2))
    best = [nbest[0].ids for nbest in setting.finish(streams)]
    again = recurrent_beam.restart(streams, setting.scorer)
    assert [each.y.tolist() for each in again] == [[(ids or [BLANK])[-1]] for ids in best]


def test_a_segment_of_equal_tokens_to_different_frames_goes_on_behind_the_likeliest() -> None:
    beam = recurrent_beam.Beam(
        scores=np.log([0.2, 0.3, 0.25]),
        keys=np.array([7, 9, 7], np.uint64),
        y=np.array([1, 2, 1]),
        states=np.eye(3, STATE, dtype=np.float32),
        frames=np.array([0, 1, 2]),
        scorer_states=np.empty((3, 0), np.int64),
        said=tuple(Hypothesis([id_], [0], [-1.0]) for id_ in (1, 2, 1)),
        num_frames=4,
    )
    (nbest,) = recurrent_beam.hypotheses([beam])
    assert [each.ids for each in nbest] == [[1], [2]]
    assert [math.exp(each.score or 0) for each in nbest] == pytest.approx([0.45, 0.3])
    (again,) = recurrent_beam.restart([beam])
    assert (again.y.tolist(), again.frames.tolist()) == ([1], [2])
    assert again.states.tolist() == [[0, 0, 1, 0]]
