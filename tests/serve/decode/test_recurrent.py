"""RNN-T and TDT greedy search against a frame-by-frame search of one utterance."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.recurrent import (
    MAX_SYMBOLS,
    Floats,
    Ints,
    Network,
    Options,
    Position,
    Scores,
    continue_search,
    greedy_search,
    start,
)
from tests.serve.decode.predictors import BLANK, STATE, VOCAB, RandomNetwork, noise

OPTIONS = Options(BLANK, STATE)


def search_one_by_one(encoder_out: Floats, num_frames: int, network: Network) -> Hypothesis:
    """Frame by frame, a token at a time, as onnx_asr/asr.py does it."""
    found = Hypothesis()
    assert found.frames is not None
    assert found.log_probs is not None
    y, state, frame, num_symbols = BLANK, np.zeros((1, STATE), np.float32), 0, 0
    while frame < num_frames:
        scores = network(encoder_out[None, frame : frame + 1], np.array([y]), state)
        token = int(scores.log_probs[0, 0].argmax())
        jump = 0 if scores.jumps is None else int(scores.jumps[0, 0])
        if token != BLANK:
            y, state = token, scores.states
            found.ids.append(token)
            found.frames.append(frame)
            found.log_probs.append(float(scores.log_probs[0, 0, token]))
            num_symbols += 1
        if jump > 0:
            frame, num_symbols = frame + jump, 0
        elif token == BLANK or num_symbols == MAX_SYMBOLS:
            frame, num_symbols = frame + 1, 0
    return found


def assert_same(found: Hypothesis, expected: Hypothesis) -> None:
    assert (found.ids, found.frames) == (expected.ids, expected.frames)
    assert found.log_probs == pytest.approx(expected.log_probs, abs=1e-4)


networks = st.builds(
    RandomNetwork,
    st.integers(0, 1000),
    is_tdt=st.booleans(),
    blank=st.floats(-1, 5),
    stays=st.floats(-3, 3),
)


@settings(max_examples=200, deadline=None)
@given(
    networks, st.lists(st.integers(0, 25), min_size=1, max_size=5), st.integers(1, 12),
    st.integers(0, 100),
)  # fmt: skip
def test_it_finds_what_a_search_frame_by_frame_finds(
    network: RandomNetwork, lens: list[int], lookahead: int, seed: int
) -> None:
    encoder_out = noise(len(lens), max(1, *lens), seed) if lens else noise(1, 1, seed)
    options = Options(BLANK, STATE, lookahead)
    found = greedy_search(encoder_out, np.array(lens, np.int32), network, options)
    for row, num_frames in enumerate(lens):
        assert_same(found[row], search_one_by_one(encoder_out[row], num_frames, network))


@settings(max_examples=100, deadline=None)
@given(networks, st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 100))
def test_any_chunking_equals_one_chunk(
    network: RandomNetwork, chunks: list[int], seed: int
) -> None:
    """Of two streams, side by side."""
    num_frames = sum(chunks)
    encoder_out = noise(2, num_frames, seed)
    expected = greedy_search(encoder_out, np.full(2, num_frames, np.int32), network, OPTIONS)
    position, begun = start(2, OPTIONS), 0
    found: list[list[Hypothesis]] = [[], []]
    for length in chunks:
        part = encoder_out[:, begun : begun + length]
        added, position = continue_search(part, position, network, OPTIONS)
        for row in (0, 1):
            found[row].append(added[row].moved(begun))
        begun += length
    for row in (0, 1):
        assert_same(_join(found[row]), expected[row])


def _join(parts: Sequence[Hypothesis]) -> Hypothesis:
    joined = Hypothesis()
    for part in parts:
        for whole, more in ((joined.ids, part.ids), (joined.frames, part.frames),
                            (joined.log_probs, part.log_probs)):  # fmt: skip
            assert whole is not None
            assert more is not None
            whole.extend(more)  # type: ignore[arg-type]  # numbers all
    return joined


def test_a_search_that_goes_on_leaves_its_position_as_it_was() -> None:
    network, position = RandomNetwork(1, is_tdt=True), start(1, OPTIONS)
    _, moved = continue_search(noise(1, 12, 0), position, network, OPTIONS)
    assert_positions(position, start(1, OPTIONS))
    assert moved.states.any()


def assert_positions(found: Position, expected: Position) -> None:
    for name in ("y", "states", "frames", "num_symbols"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def says(token: int, jump: int | None) -> Network:
    def network(encoder_out: Floats, _y: Ints, states: Floats) -> Scores:
        log_probs = np.full((*encoder_out.shape[:2], VOCAB), -9, np.float32)
        log_probs[..., token] = -0.1
        jumps = None if jump is None else np.full(encoder_out.shape[:2], jump)
        return Scores(log_probs, jumps, states)

    return network


@pytest.mark.parametrize("jump", [None, 0])
def test_a_frame_has_only_so_many_tokens(jump: int | None) -> None:
    (found,) = greedy_search(noise(1, 3, 0), lens(3), says(2, jump), OPTIONS)
    assert found.frames == [frame for frame in range(3) for _ in range(MAX_SYMBOLS)]


def test_a_token_jumps_as_far_as_it_says() -> None:
    (found,) = greedy_search(noise(1, 11, 0), lens(11), says(2, 4), OPTIONS)
    assert found.frames == [0, 4, 8]


def test_blank_goes_on_even_where_it_says_that_it_stays() -> None:
    assert greedy_search(noise(1, 9, 0), lens(9), says(BLANK, 0), OPTIONS) == [Hypothesis()]


def test_a_jump_may_end_in_the_next_chunk() -> None:
    position = start(1, OPTIONS)
    first, position = continue_search(noise(1, 2, 0), position, says(2, 4), OPTIONS)
    assert position.frames.tolist() == [2]
    second, _ = continue_search(noise(1, 3, 0), position, says(2, 4), OPTIONS)
    assert (first[0].frames, second[0].frames) == ([0], [2])


def test_blanks_cost_a_call_a_window() -> None:
    network = RandomNetwork(0, is_tdt=False, blank=1e9)
    greedy_search(noise(3, 40, 0), lens(40, 33, 7), network, Options(BLANK, STATE, lookahead=8))
    assert network.num_calls == 5


def test_nothing_is_searched_in_no_frames() -> None:
    network = RandomNetwork(0, is_tdt=False)
    assert greedy_search(noise(2, 1, 0), lens(0, 0), network, OPTIONS) == [Hypothesis()] * 2
    assert network.num_calls == 0


def lens(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)
