import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from auricle.serve.decode import rescoring
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.rescoring import Inputs, Options

SOS, EOS, VOCAB, MAX_TOKENS, BEAM = 7, 8, 9, 12, 4

Floats = NDArray[np.float32]


@dataclass
class Decoder:
    """A rescoring graph: it takes the log-probabilities of a token at a place from a random table.

    Left to right and right to left [2, N, U, V]; the number of the utterance is in encoder_out.
    """

    log_probs: NDArray[np.float64]
    ctc_weight: float
    reverse_weight: float
    runs: list[Inputs] = field(default_factory=list)

    def rate(self, utterance: int, ids: list[int], ctc_score: float) -> float:
        """The definition: tokens and </s> in both directions, and the weighted first pass."""
        both = [
            sum(table[utterance, place, token] for place, token in enumerate([*tokens, EOS]))
            for table, tokens in zip(self.log_probs, (ids, ids[::-1]), strict=True)
        ]
        attention = (1 - self.reverse_weight) * both[0] + self.reverse_weight * both[1]
        return float(attention + self.ctc_weight * ctc_score)

    def score(self, inputs: Inputs) -> Floats:
        self.runs.append(inputs)
        utterances = inputs["encoder_out"][:, 0, 0].astype(int)
        lens = inputs["hyps_lens_sos"].astype(int)
        places = np.arange(inputs["hyps_pad_sos_eos"].shape[2] - 1)
        total = self.ctc_weight * inputs["ctc_score"].astype(np.float64)
        for name, table, weight in zip(
            ("hyps_pad_sos_eos", "r_hyps_pad_sos_eos"),
            self.log_probs,
            (1 - self.reverse_weight, self.reverse_weight),
            strict=True,
        ):
            if weight:
                targets = inputs[name][:, :, 1:]  # [R, beam, U]
                said = table[utterances[:, None, None], places, targets]
                total = total + weight * (said * (places < lens[..., None])).sum(axis=2)
        return total.astype(np.float32)

    def asked(self) -> list[tuple[int, tuple[int, ...]]]:
        """The utterance and the tokens of each slot that held any."""
        return [
            (int(number), tuple(hypothesis[1:length].tolist()))
            for run in self.runs
            for number, row, lens in zip(
                run["encoder_out"][:, 0, 0],
                run["hyps_pad_sos_eos"],
                run["hyps_lens_sos"],
                strict=True,
            )
            for hypothesis, length in zip(row, lens, strict=True)
            if length > 1
        ]


def create_decoder(
    num_rows: int, seed: int = 0, ctc_weight: float = 0.5, reverse_weight: float = 0.3
) -> Decoder:
    shape = (2, num_rows, MAX_TOKENS + 1, VOCAB)
    log_probs = -np.random.default_rng(seed).exponential(2, shape)
    return Decoder(log_probs, ctc_weight, reverse_weight)


def encode(lens: list[int]) -> tuple[Floats, NDArray[np.int32]]:
    encoder_out = np.zeros((len(lens), max(lens), 3), np.float32)
    encoder_out += np.arange(len(lens), dtype=np.float32)[:, None, None]
    return encoder_out, np.array(lens, np.int32)


def heard(ids: list[int], score: float = 0.0) -> Hypothesis:
    return Hypothesis(ids, None, None, score=score)


OPTIONS = Options(BEAM, SOS, EOS, is_bidirectional=True)

ids_lists = st.lists(st.integers(0, 6), max_size=MAX_TOKENS)
nbests_lists = st.lists(
    st.lists(st.builds(heard, ids_lists, st.floats(-50, 0)), min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)


def distinct(nbest: list[Hypothesis]) -> list[Hypothesis]:
    known: list[Hypothesis] = []
    for hypothesis in nbest:
        if hypothesis.ids not in [other.ids for other in known]:
            known.append(hypothesis)
    return known[:BEAM]


@settings(deadline=None)
@given(
    nbests=nbests_lists,
    seed=st.integers(0, 99),
    ctc_weight=st.sampled_from([0.0, 0.5]),
    reverse_weight=st.sampled_from([0.0, 0.3]),
)
def test_the_hypothesis_with_the_highest_score_is_chosen(
    nbests: list[list[Hypothesis]], seed: int, ctc_weight: float, reverse_weight: float
) -> None:
    decoder = create_decoder(len(nbests), seed, ctc_weight, reverse_weight)
    options = dataclasses.replace(OPTIONS, is_bidirectional=reverse_weight > 0)
    chosen = rescoring.rescore(nbests, *encode([9] * len(nbests)), decoder.score, options)
    for row, (nbest, ranked) in enumerate(zip(nbests, chosen, strict=True)):
        hypothesis = ranked[0]
        known = distinct(nbest)
        scores = [decoder.rate(row, each.ids, each.score or 0.0) for each in known]
        if len(known) == 1:
            assert hypothesis == dataclasses.replace(known[0], score=None)
        else:
            assert hypothesis.ids == known[int(np.argmax(scores))].ids
            told = [each.score for each in ranked]
            assert told == pytest.approx(sorted(scores, reverse=True), abs=1e-3)  # float32


@settings(deadline=None)
@given(nbests=nbests_lists)
def test_each_distinct_hypothesis_is_scored_once_and_an_only_one_never(
    nbests: list[list[Hypothesis]],
) -> None:
    decoder = create_decoder(len(nbests))
    rescoring.rescore(nbests, *encode([9] * len(nbests)), decoder.score, OPTIONS)
    wanted = [
        (row, tuple(each.ids))
        for row, nbest in enumerate(nbests)
        for each in distinct(nbest)
        if each.ids and len(distinct(nbest)) > 1
    ]
    assert sorted(decoder.asked()) == sorted(wanted)


@settings(deadline=None)
@given(nbests=nbests_lists)
def test_batch_equals_singles(nbests: list[list[Hypothesis]]) -> None:
    decoder = create_decoder(len(nbests))
    encoder_out, lens = encode(list(range(5, 5 + len(nbests))))
    together = rescoring.rescore(nbests, encoder_out, lens, decoder.score, OPTIONS)
    singles = [
        rescoring.rescore(
            [nbest], encoder_out[row : row + 1], lens[row : row + 1], decoder.score, OPTIONS
        )
        for row, nbest in enumerate(nbests)
    ]
    assert together == [ranked for (ranked,) in singles]


def test_a_batch_without_doubt_is_not_scored() -> None:
    decoder = create_decoder(2)
    nbests = [[heard([])], [heard([1, 2])]]
    chosen = rescoring.rescore(nbests, *encode([0, 5]), decoder.score, OPTIONS)
    assert [ranked[0].ids for ranked in chosen] == [[], [1, 2]]
    assert not decoder.runs


def test_what_fills_the_beam_never_wins() -> None:
    def prefer_the_fill(inputs: Inputs) -> Floats:
        return np.where(inputs["hyps_lens_sos"].astype(int) > 1, np.float32(-1e9), np.float32(0))

    nbests = [[heard([1], -1.0), heard([2], -2.0)]]
    ((chosen, *_),) = rescoring.rescore(nbests, *encode([5]), prefer_the_fill, OPTIONS)
    assert chosen.ids == [1]


def test_an_empty_hypothesis_can_win() -> None:
    def prefer_the_empty(inputs: Inputs) -> Floats:
        return -inputs["hyps_lens_sos"].astype(np.float32)

    nbests = [[heard([1], -1.0), heard([], -2.0)]]
    ((chosen, *_),) = rescoring.rescore(nbests, *encode([5]), prefer_the_empty, OPTIONS)
    assert (chosen.ids, chosen.score) == ([], -1.0)


def test_the_graph_takes_hypotheses_between_sos_and_eos() -> None:
    decoder = create_decoder(1)
    nbests = [[heard([1, 2, 3], -1.0), heard([4], -2.0)]]
    rescoring.rescore(nbests, *encode([5]), decoder.score, OPTIONS)
    (run,) = decoder.runs
    assert run["hyps_pad_sos_eos"].tolist() == [
        [[SOS, 1, 2, 3, EOS], [SOS, 4, EOS, EOS, EOS]] + 2 * [[SOS] + 4 * [EOS]]
    ]
    assert run["r_hyps_pad_sos_eos"].tolist() == [
        [[SOS, 3, 2, 1, EOS], [SOS, 4, EOS, EOS, EOS]] + 2 * [[SOS] + 4 * [EOS]]
    ]
    assert run["hyps_lens_sos"].tolist() == [[4, 2, 1, 1]]
    assert run["ctc_score"].tolist() == [[-1.0, -2.0, 0.0, 0.0]]


def test_the_graph_takes_its_types() -> None:
    decoder = create_decoder(1)
    rescoring.rescore([[heard([1]), heard([2])]], *encode([5]), decoder.score, OPTIONS)
    assert {name: str(array.dtype) for name, array in decoder.runs[0].items()} == {
        "encoder_out": "float32",
        "encoder_out_lens": "int32",
        "hyps_pad_sos_eos": "int64",
        "r_hyps_pad_sos_eos": "int64",
        "hyps_lens_sos": "int32",
        "ctc_score": "float32",
    }


def test_hypotheses_are_not_reversed_for_a_graph_of_one_direction() -> None:
    decoder = create_decoder(1, reverse_weight=0.0)
    options = dataclasses.replace(OPTIONS, is_bidirectional=False)
    rescoring.rescore([[heard([1]), heard([2])]], *encode([5]), decoder.score, options)
    assert "r_hyps_pad_sos_eos" not in decoder.runs[0]


def test_a_hopeless_first_pass_score_stays_within_float16() -> None:
    decoder = create_decoder(1)
    nbests = [[heard([1], -1.0), heard([2], float("-inf")), heard([3], -1e6)]]
    rescoring.rescore(nbests, *encode([5]), decoder.score, OPTIONS)
    assert decoder.runs[0]["ctc_score"].tolist() == [[-1.0, -1e4, -1e4, 0.0]]


def test_the_audio_is_cut_to_the_longest_in_doubt() -> None:
    decoder = create_decoder(3)
    in_doubt = [heard([1]), heard([2])]
    nbests = [[heard([1])], in_doubt, in_doubt]
    rescoring.rescore(nbests, *encode([20, 4, 6]), decoder.score, OPTIONS)
    (run,) = decoder.runs
    assert run["encoder_out"][:, 0, 0].tolist() == [1, 2]
    assert run["encoder_out"].shape == (2, 6, 3)
    assert run["encoder_out_lens"].tolist() == [4, 6]


def test_hypotheses_of_very_different_lengths_are_scored_apart() -> None:
    decoder = create_decoder(3)
    nbests = [[heard([1] * length), heard([])] for length in (1, 10, 5)]
    rescoring.rescore(nbests, *encode([9, 9, 9]), decoder.score, OPTIONS)
    assert [run["encoder_out"][:, 0, 0].tolist() for run in decoder.runs] == [[1, 2], [0]]
