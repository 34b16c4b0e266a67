import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from auricle.serve.decode import ctc

BLANK = 0


def collapse_by_definition(path: list[int]) -> list[int]:
    return [label for label, _ in itertools.groupby(path) if label != BLANK]


@st.composite
def batches(draw: st.DrawFn) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    num_rows, num_frames = draw(st.integers(1, 5)), draw(st.integers(1, 20))
    row = st.lists(st.integers(0, 3), min_size=num_frames, max_size=num_frames)
    ids = draw(st.lists(row, min_size=num_rows, max_size=num_rows))
    lens = draw(st.lists(st.integers(0, num_frames), min_size=num_rows, max_size=num_rows))
    return np.array(ids, np.int32), np.array(lens, np.int32)


@given(batches())
def test_repeats_collapse_and_blanks_drop(
    batch: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> None:
    ids, lens = batch
    log_probs = np.zeros(ids.shape, np.float32)
    hypotheses = ctc.greedy_search(ids, log_probs, lens, BLANK)
    expected = [collapse_by_definition(row[:n].tolist()) for row, n in zip(ids, lens, strict=True)]
    assert [hypothesis.ids for hypothesis in hypotheses] == expected


def test_a_token_is_dated_and_scored_at_the_first_frame_of_its_run() -> None:
    ids = np.array([[0, 5, 5, 0, 5]], np.int32)
    log_probs = np.array([[0.0, -1.0, -2.0, 0.0, -3.0]], np.float32)
    (hypothesis,) = ctc.greedy_search(ids, log_probs, np.array([5], np.int32), BLANK)
    assert hypothesis.frames == [1, 4]
    assert hypothesis.log_probs == [-1.0, -3.0]


def test_frames_beyond_the_length_say_nothing() -> None:
    ids = np.array([[1, 2, 3]], np.int32)
    (hypothesis,) = ctc.greedy_search(
        ids, np.zeros((1, 3), np.float32), np.array([1], np.int32), BLANK
    )
    assert hypothesis.ids == [1]


@given(batches(), st.data())
def test_a_search_continued_chunk_by_chunk_equals_one_over_all_frames(
    batch: tuple[NDArray[np.int32], NDArray[np.int32]], data: st.DataObject
) -> None:
    ids, _ = batch
    num_rows, num_frames = ids.shape
    log_probs = -np.arange(ids.size, dtype=np.float32).reshape(ids.shape)
    lens = np.full(num_rows, num_frames, np.int32)
    cuts = sorted({0, num_frames, *data.draw(st.sets(st.integers(1, num_frames), max_size=5))})
    before = np.full(num_rows, ctc.NO_LABEL, np.int32)
    dated: list[list[tuple[int, float, float]]] = [[] for _ in range(num_rows)]
    for start, end in itertools.pairwise(cuts):
        chunk = ids[:, start:end], log_probs[:, start:end]
        found, before = ctc.continue_search(*chunk, before, BLANK)
        for row, added in zip(dated, found, strict=True):
            frames = [frame + start for frame in added.frames or []]
            row.extend(zip(added.ids, frames, added.log_probs or [], strict=True))
    for row, whole in zip(dated, ctc.greedy_search(ids, log_probs, lens, BLANK), strict=True):
        columns = whole.ids, whole.frames or [], whole.log_probs or []
        assert row == list(zip(*columns, strict=True))
