import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from auricle.serve.decode import cif
from auricle.serve.decode.cif import Options, Peaks, Tokens
from auricle.serve.decode.hypothesis import Hypothesis

BLANK, END = 0, 2
OPTIONS = Options(num_end_tokens=1, special_ids=(BLANK, END))


def said(*rows: Sequence[int], counted: Sequence[int]) -> Tokens:
    """Tokens of any probability, behind each row what an encoder makes of padding."""
    ids = np.full((len(rows), max(map(len, rows), default=0) + 2), 99, np.int32)
    for row, token_ids in zip(ids, rows, strict=True):
        row[: len(token_ids)] = token_ids
    log_probs = -np.arange(ids.size, dtype=np.float32).reshape(ids.shape)
    return Tokens(ids, log_probs, np.array(counted, np.int32))


def fire(*steps: Sequence[int], lens: Sequence[int]) -> Peaks:
    """Peaks at steps of 20 ms in rows of lens frames of 60 ms; below, the predictor charges."""
    values = np.full((len(steps), 3 * max(lens) + 6), 0.9, np.float32)
    for row, fired in zip(values, steps, strict=True):
        row[list(fired)] = 1
    return Peaks(values, np.array(lens, np.int32))


def test_counted_tokens_are_the_text_but_for_the_end() -> None:
    tokens = said([5, 6, END], [7, END], counted=[3, 2])
    found = cif.greedy_search(tokens, None, OPTIONS)
    assert [each.ids for each in found] == [[5, 6], [7]]
    assert [each.log_probs for each in found] == [[0, -1], [-5]]


def test_a_counted_end_is_cut_whatever_token_it_is() -> None:
    (found,) = cif.greedy_search(said([5, 6, 7], counted=[3]), None, OPTIONS)
    assert found.ids == [5, 6]


def test_all_that_is_counted_is_text_where_a_model_counts_no_end() -> None:
    options = Options(num_end_tokens=0, special_ids=(BLANK, END))
    (found,) = cif.greedy_search(said([5, 6, 7], counted=[3]), None, options)
    assert found.ids == [5, 6, 7]


def test_specials_amid_the_text_are_no_text() -> None:
    (found,) = cif.greedy_search(said([5, BLANK, 6, END, 7, END], counted=[6]), None, OPTIONS)
    assert (found.ids, found.log_probs) == ([5, 6, 7], [0, -2, -4])


@pytest.mark.parametrize("counted", [0, 1])
def test_silence_has_no_tokens(counted: int) -> None:
    tokens, peaks = said([5, 6], counted=[counted]), fire([4], lens=[9])
    assert cif.greedy_search(tokens, peaks, OPTIONS) == [Hypothesis([], [], [], [])]


def test_a_graph_that_found_no_token_in_any_row_is_silence() -> None:
    nothing = np.empty((2, 0))
    tokens = Tokens(nothing.astype(np.int32), nothing.astype(np.float32), np.zeros(2, np.int32))
    assert [each.ids for each in cif.greedy_search(tokens, None, OPTIONS)] == [[], []]


def test_without_peaks_times_are_unknown() -> None:
    (found,) = cif.greedy_search(said([5, END], counted=[2]), None, OPTIONS)
    assert (found.frames, found.ends) == (None, None)


@pytest.mark.parametrize("fired", [[5, 9], [5, 9, 12, 15]])
def test_times_are_unknown_where_peaks_and_tokens_do_not_match(fired: list[int]) -> None:
    tokens, peaks = said([5, 6, END], counted=[3]), fire(fired, lens=[8])
    (found,) = cif.greedy_search(tokens, peaks, OPTIONS)
    assert (found.ids, found.frames, found.ends) == ([5, 6], None, None)


def test_a_token_lasts_from_its_peak_to_the_next() -> None:
    tokens, peaks = said([5, 6, END], counted=[3]), fire([6, 9, 15], lens=[6])
    (found,) = cif.greedy_search(tokens, peaks, OPTIONS)
    assert found.frames == [1.5, 2.5]  # (6 - 1.5) / 3, (9 - 1.5) / 3
    assert found.ends == [2.5, 6]  # so little is left behind the last peak that it belongs to it


def test_half_of_a_long_tail_is_silence() -> None:
    tokens, peaks = said([5, END], counted=[2]), fire([3, 9], lens=[10])
    (found,) = cif.greedy_search(tokens, peaks, OPTIONS)
    assert found.ends == [(30 + 7.5) / 2 / 3]


def test_a_long_token_ends_in_silence() -> None:
    tokens, peaks = said([5, 6, END], counted=[3]), fire([3, 60, 63], lens=[22])
    (found,) = cif.greedy_search(tokens, peaks, OPTIONS)
    assert found.ends is not None
    assert found.ends[0] == (1.5 + 30) / 3


def test_peaks_behind_the_audio_count_for_nothing() -> None:
    tokens, peaks = said([5, END], counted=[2]), fire([3, 9, 31], lens=[10])
    (found,) = cif.greedy_search(tokens, peaks, OPTIONS)
    assert found.frames == [0.5]


def test_nothing_starts_before_the_audio() -> None:
    tokens, peaks = said([5, END], counted=[2]), fire([0, 3], lens=[2])
    (found,) = cif.greedy_search(tokens, peaks, OPTIONS)
    assert found.frames == [0]


def time_as_funasr(fired: Sequence[int], num_steps: int) -> list[tuple[float, float]]:
    """Seconds of each token by the rule of funasr_onnx, token by token, silences left out."""
    places = [step - 1.5 for step in fired]
    times = []
    for place, following in itertools.pairwise(places):
        is_last = following == places[-1]
        end = following if is_last or following - place < 30 else place + 30
        times.append((place * 0.02, end * 0.02))
    tail = num_steps - places[-1]
    end_of_last = (num_steps + places[-1]) / 2 if tail > 5 else num_steps
    times[-1] = times[-1][0], end_of_last * 0.02
    return times


@st.composite
def peak_rows(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    lens = draw(st.lists(st.integers(3, 60), min_size=1, max_size=4))
    steps = (st.integers(2, 3 * num_frames - 1) for num_frames in lens)
    rows = [draw(st.lists(each, min_size=2, max_size=6, unique=True).map(sorted)) for each in steps]
    return rows, lens


@given(peak_rows())
def test_times_of_every_row_are_those_of_funasr(rows: tuple[list[list[int]], list[int]]) -> None:
    fired, lens = rows
    tokens = said(
        *([5] * (len(each) - 1) + [END] for each in fired), counted=[len(each) for each in fired]
    )
    found = cif.greedy_search(tokens, fire(*fired, lens=lens), OPTIONS)
    for hypothesis, steps, num_frames in zip(found, fired, lens, strict=True):
        assert hypothesis.frames is not None
        assert hypothesis.ends is not None
        seconds = np.stack([hypothesis.frames, hypothesis.ends], axis=1) * 0.06
        expected: NDArray[np.float64] = np.array(time_as_funasr(steps, 3 * num_frames))
        assert seconds == pytest.approx(expected)
