from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.client.bench.workload import Mix, mix, order, parse_mix, record

RATE = 100
WAVEFORMS = {str(length): np.full(length, length, np.float32) for length in (30, 70, 110)}


def test_a_seed_gives_one_mix() -> None:
    first, again, other = (mix(WAVEFORMS, Mix(2, 15, 8, seed), RATE) for seed in (1, 1, 2))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert [len(each) for each in first.values()] != [len(each) for each in other.values()]


@given(st.floats(0.1, 5), st.floats(0, 5), st.integers(1, 20))
def test_lengths_stay_in_their_bounds(shortest: float, more: float, count: int) -> None:
    mixed = mix(WAVEFORMS, Mix(shortest, shortest + more, count), RATE)
    assert len(mixed) == count
    for each in mixed.values():
        assert int(shortest * RATE) <= len(each) <= (shortest + more) * RATE


def test_utterances_are_joined_whole_but_for_the_last() -> None:
    (mixed,) = mix(WAVEFORMS, Mix(10, 10, 1), RATE).values()
    edges = [0, *(np.flatnonzero(np.diff(mixed)) + 1), len(mixed)]
    for start, end in pairwise(edges[:-1]):
        assert (end - start) % mixed[start] == 0


def test_lengths_are_two_numbers() -> None:
    assert parse_mix("2:15", 8, 1) == Mix(2, 15, 8, 1)
    with pytest.raises(ValueError, match="convert"):
        parse_mix("2:long", 8, 1)


@given(st.integers(1, 30), st.integers(1, 100))
def test_each_pass_sends_every_waveform_once(count: int, requests: int) -> None:
    sent = order(count, requests)
    assert len(sent) == requests
    for start in range(0, requests - count + 1, count):
        assert sorted(sent[start : start + count]) == list(range(count))


def test_a_recording_has_its_utterances_where_it_says() -> None:
    waveforms = {str(value): np.full(100 * value, value, np.float32) for value in (1, 2, 3)}
    recording = record(waveforms, 60, 100)
    assert 60 <= len(recording.waveform) / 100 < 65
    end = 0
    for name, start in zip(recording.names, recording.starts, strict=True):
        assert 40 <= start - end <= 150
        assert not recording.waveform[end:start].any()
        end = start + len(waveforms[name])
        np.testing.assert_array_equal(recording.waveform[start:end], waveforms[name])
    assert set(recording.names) == set(waveforms)
    assert recording.names == record(waveforms, 60, 100).names
