"""Streams that outlast the positions of their encoder."""

import dataclasses
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.planning import Waveform
from auricle.serve.relay import Relay
from auricle.serve.runner import Tensors
from auricle.serve.stream import Chunk
from auricle.serve.streaming import StreamingPipeline
from auricle.serve.tokens import TokenTable
from auricle.spec import Choices, Decoding
from tests.conftest import FakeRunner
from tests.serve.test_streaming import (
    ALL_DECODINGS,
    HOP,
    LOG_PROBS,
    RULES,
    SPEC,
    SYMBOLS,
    cut,
    finals,
    listen,
    listen_together,
    noise,
    streams,
)

MAX_WINDOWS = 8
PAST = 3  # windows that the encoder remembers
ENDLESS = 1 << 20
WARM_UPS = pytest.mark.parametrize("warm_up", [0, 1, PAST, MAX_WINDOWS // 2])


def remember(batch: Tensors, max_windows: int) -> Tensors:
    """Each frame's token is a number made of its samples and the PAST windows before.

    STATE: the sums of these windows, the last one first, then the windows done.
    """
    chunk, state = batch["CHUNK"].astype(np.int64), batch["STATE"].astype(np.int64)
    if (state[:, PAST] >= max_windows).any():
        raise IndexError("no position")
    sums = chunk[:, :HOP].reshape(len(chunk), 4, 16).sum(axis=2)
    heard = (7 * sums + state[:, :PAST] @ [[3], [5], [11]]) % 97
    ids = np.where((heard % 3 == 0) & (sums > 0), heard % 25 + 1, 0)[..., None]
    columns = sums.sum(axis=1), *state[:, : PAST - 1].T, state[:, PAST] + 1
    return {
        "TOPK_IDS": np.concatenate([ids, np.where(ids == 7, 8, 7)], axis=2).astype(np.int32),
        "TOPK_LOG_PROBS": np.broadcast_to(LOG_PROBS, (*sums.shape, 2)),
        "BLANK_LOG_PROBS": np.where(ids[..., 0] == 0, *LOG_PROBS[:, None, None]),
        "NEW_STATE": np.stack(columns, axis=1).astype(np.float32),
    }


def make(
    warm_up: int = PAST, max_windows: int | None = MAX_WINDOWS, choices: Choices | None = None
) -> StreamingPipeline:
    """max_windows: None for the same encoder with all the positions that it wants."""
    assert SPEC.streaming
    facts = dataclasses.replace(
        SPEC.streaming, state_size=PAST + 1, max_windows=max_windows, warm_up=warm_up
    )
    spec = dataclasses.replace(SPEC, streaming=facts)
    runner = FakeRunner({"encoder": lambda batch: remember(batch, max_windows or ENDLESS)})
    return StreamingPipeline(spec, choices or Choices(), runner, TokenTable(SYMBOLS, "bpe", 0.01))


def make_endless(choices: Choices | None = None) -> StreamingPipeline:
    return make(0, None, choices)


@ALL_DECODINGS
@settings(max_examples=30, deadline=None)
@given(cut_stream=streams())
def test_a_stream_beyond_its_positions_says_what_it_would_with_more_of_them(
    decoding: Decoding, cut_stream: tuple[Waveform, list[Chunk]]
) -> None:
    waveform, chunks = cut_stream
    choices = Choices(decoding=decoding)
    bounded, endless = make(choices=choices), make_endless(choices)
    (whole,) = listen(endless, cut(waveform, []), endless.start(RULES))
    partials = listen(bounded, chunks, bounded.start(RULES))
    assert partials[-1].text == whole.text
    assert finals(partials) == finals([whole])


def test_a_state_that_has_heard_too_little_loses_or_invents_words() -> None:
    (whole,) = listen(make_endless(), cut(noise(1600), []))
    texts = [listen(make(warm_up), cut(noise(1600), []))[-1].text for warm_up in range(PAST + 1)]
    assert [text == whole.text for text in texts] == [False] * PAST + [True]


@WARM_UPS
@settings(max_examples=30, deadline=None)
@given(cut_stream=streams())
def test_any_chunking_says_what_one_chunk_says(
    warm_up: int, cut_stream: tuple[Waveform, list[Chunk]]
) -> None:
    waveform, chunks = cut_stream
    pipeline = make(warm_up)
    whole = listen(pipeline, cut(waveform, []), pipeline.start(RULES))
    assert finals(listen(pipeline, chunks, pipeline.start(RULES))) == finals(whole)


@WARM_UPS
@settings(max_examples=30, deadline=None)
@given(
    cut_streams=st.lists(streams(), min_size=2, max_size=5),
    max_sub_batch=st.sampled_from([1, 2, 16]),
    random=st.randoms(),
)
def test_streams_at_any_distance_from_their_positions_end_say_what_they_say_alone(
    warm_up: int,
    cut_streams: list[tuple[Waveform, list[Chunk]]],
    max_sub_batch: int,
    random: Random,
) -> None:
    pipeline = make(warm_up, choices=Choices(max_sub_batch=max_sub_batch))
    chunks = [chunks for _, chunks in cut_streams]
    alone = [listen(pipeline, each, pipeline.start(RULES)) for each in chunks]
    assert listen_together(pipeline, chunks, random) == alone


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_behind_a_forced_end_the_positions_are_counted_anew(first: int, second: int) -> None:
    pipeline, waveform = make(), noise(first + second)
    early, late = waveform[:first], waveform[first:]
    partials = listen(pipeline, [Chunk(early, finalizes=True), Chunk(late, is_last=True)])
    (one,), (other,) = (listen(pipeline, cut(part, [])) for part in (early, late))
    ids = [segment.hypothesis.ids for segment in finals(partials)]
    assert ids == [segment.hypothesis.ids for segment in finals([one, other])]


@given(longest=st.integers(1, 30), data=st.data())
def test_a_state_takes_over_with_its_warm_up_behind_it_when_the_old_one_has_no_positions_left(
    longest: int, data: st.DataObject
) -> None:
    warm_up = data.draw(st.integers(0, longest // 2))
    relay, heard, heard_by_next = Relay(longest, warm_up), 0, 0
    for done in range(200):
        assert relay.takes_over(done) == (heard == longest)
        if relay.takes_over(done):
            assert heard_by_next == warm_up
            heard, heard_by_next = heard_by_next, 0
        heard += 1
        heard_by_next += relay.needs_two(done)


@pytest.mark.parametrize(("longest", "warm_up"), [(7, 4), (0, 0), (8, -1)])
def test_two_states_at_most_hear_a_window(longest: int, warm_up: int) -> None:
    with pytest.raises(AssertionError, match="two states at most hear a window"):
        make(warm_up, longest)


def test_both_states_and_other_streams_share_a_run() -> None:
    pipeline = make(choices=Choices(max_sub_batch=16))
    chunk = Chunk(noise(108 + HOP * (MAX_WINDOWS - 1)))
    pipeline.step([pipeline.start()] * 2, [chunk, Chunk(noise(108 + HOP))])
    assert isinstance(pipeline.runner, FakeRunner)
    rows = [len(batch["CHUNK"]) for _, (batch,) in pipeline.runner.asked]
    assert rows == [2, 2, 1, 1, 1, 2, 2, 2]


def test_a_stream_keeps_two_states_only_where_one_will_take_over() -> None:
    pipeline = make(choices=Choices(max_sub_batch=16))
    streams = [pipeline.start(), pipeline.start()]
    chunks = [Chunk(noise(108)), Chunk(np.zeros(0, np.float32))]
    kept = []
    for _ in range(3 * MAX_WINDOWS):
        streams, _ = pipeline.step(streams, chunks)
        chunks = [Chunk(noise(HOP)), chunks[1]]
        kept.append(streams[0].next_state is not None)
    lap = [False] * (MAX_WINDOWS - 2 * PAST) + [True] * PAST
    assert kept == ([False] * PAST + 5 * lap)[: len(kept)]
