"""Passages and the start of the next window, against transformers' own reading of them."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auricle.serve.decode.windows import Passage, cut

FIRST_TIME, LENGTH = 10, 1500
TOKEN = st.one_of(st.integers(0, 9), st.integers(FIRST_TIME, FIRST_TIME + LENGTH))


def times(*tokens: int | str) -> list[int]:
    """Numbers are times, letters text."""
    return [FIRST_TIME + each if isinstance(each, int) else ord(each) % 10 for each in tokens]


@settings(deadline=None)  # the first one imports transformers
@given(ids=st.lists(TOKEN, min_size=1, max_size=12))
@example(ids=times(0, "a", 50, 50, "b", 90))
@example(ids=times(0, "a", 50, 50, "b", 90, 90))
@example(ids=times(0, "a", 50, 50))
@example(ids=times(0, "a", "b"))
@example(ids=times(0, "a", 70))
@example(ids=times(LENGTH, 0))
def test_passages_are_those_of_transformers(ids: list[int]) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers.models.whisper.generation_whisper import WhisperGenerationMixin

    passages, advance = cut(ids, FIRST_TIME, LENGTH)
    segments, offset = WhisperGenerationMixin._retrieve_segment(
        seek_sequence=torch.tensor(ids), seek_outputs=[torch.tensor(ids)],
        time_offset=torch.zeros(1), timestamp_begin=FIRST_TIME,
        seek_num_frames=torch.tensor([2 * LENGTH]), time_precision=0.02,
        time_precision_features=0.01, input_stride=2, prev_idx=0, idx=0,
        return_token_timestamps=False, decoder_input_ids=torch.zeros(1, 0, dtype=torch.int64),
    )  # fmt: skip
    texts = [segment["tokens"].tolist() for segment in segments]
    if passages[-1].last < len(
        ids
    ):  # transformers keeps the time behind the last passage with it, as a mark
        texts[-1].pop()
    assert [ids[each.first : each.last] for each in passages] == texts
    for passage, segment in zip(passages, segments, strict=True):
        assert 0.02 * passage.start == pytest.approx(float(segment["start"]), abs=1e-6)
        assert 0.02 * passage.end == pytest.approx(float(segment["end"]), abs=1e-6)
    assert 2 * advance == int(offset)


def test_a_window_without_text_is_one_passage() -> None:
    assert cut([], FIRST_TIME, 7) == ([Passage(0, 7, 0, 0)], 7)
