import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from auricle.serve import planning
from auricle.serve.options import DecodingOptions
from auricle.spec import Choices

RATE = 100
choices = st.builds(
    Choices,
    max_sub_batch=st.integers(1, 8),
    max_padding=st.floats(0, 1),
    max_batch_seconds=st.floats(0.1, 100),
)
lengths = st.lists(st.integers(1, 1000), min_size=1, max_size=40)


@given(lengths, choices)
def test_a_plan_holds_every_row_once(lens: list[int], chosen: Choices) -> None:
    plan = planning.plan_sub_batches(lens, chosen, RATE)
    assert sorted(row for rows in plan for row in rows) == list(range(len(lens)))


@given(lengths, choices)
def test_a_plan_keeps_every_bound(lens: list[int], chosen: Choices) -> None:
    for rows in planning.plan_sub_batches(lens, chosen, RATE):
        padded = len(rows) * max(lens[row] for row in rows)
        padding = padded - sum(lens[row] for row in rows)
        assert len(rows) <= chosen.max_sub_batch
        assert padding <= chosen.max_padding * padded
        assert len(rows) == 1 or padded <= chosen.max_batch_seconds * RATE


def test_rows_are_padded_with_silence_behind_their_lengths() -> None:
    batch = planning.pad([np.ones(3, np.float32), np.ones(1, np.float32)])
    assert batch["WAV"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["WAV_LENS"].tolist() == [3, 1]


def test_stacked_rows_keep_their_values_and_end_in_zeros() -> None:
    long, short = np.ones((1, 3, 2), np.float32), np.ones((2, 1, 2), np.float32)
    stacked = planning.stack([{"X": long, "N": np.array([3])}, {"X": short, "N": np.array([1, 1])}])
    assert stacked["X"][:, :, 0].tolist() == [[1, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert stacked["N"].tolist() == [3, 1, 1]


def test_what_differs_only_for_the_encoder_shares_a_run() -> None:
    options = [
        DecodingOptions("greedy_search", language=0),
        DecodingOptions("prefix_beam_search"),
        DecodingOptions("greedy_search", language=4, text_norm=15),
        DecodingOptions("greedy_search", hotwords=((1,),)),
    ]
    assert planning.group(options) == [[0, 2], [1], [3]]


@given(st.integers(1, 6000), st.floats(0.02, 30), st.floats(1, 60))
def test_a_bucket_is_whole_or_the_models_longest(
    longest: int, bucket_seconds: float, max_seconds: float
) -> None:
    longest = min(longest, int(max_seconds * RATE))
    width = planning.bucket_width(longest, bucket_seconds, max_seconds, RATE)
    assert longest <= width <= max_seconds * RATE
    assert width % round(bucket_seconds * RATE) == 0 or width == int(max_seconds * RATE)
    assert width - longest < round(bucket_seconds * RATE)


def test_without_buckets_the_longest_row_is_the_width() -> None:
    assert planning.bucket_width(123, 0.0, 60.0, RATE) == 123


def test_rows_are_padded_to_a_width_that_is_asked_for() -> None:
    batch = planning.pad([np.ones(2, np.float32)], 4)
    assert batch["WAV"].tolist() == [[1, 1, 0, 0]]
    assert batch["WAV_LENS"].tolist() == [2]
