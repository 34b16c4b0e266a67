"""Streams of a genuine graph, several times as long as its positions."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options
from auricle.build.repository.populate import Deployment, populate
from auricle.serve.stream import Chunk
from auricle.serve.streaming import StreamingPipeline
from tests.families.checkpoints import write_bounded_wenet, write_streaming_wenet
from tests.families.test_streamed_texts import FEW, RULES, cut, listen, load, noise, said

pytestmark = pytest.mark.onnx

WAVEFORM = noise(12 * 16000)  # the positions are for 3.2 s
ENDLESS = 1000


def make(
    write: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> StreamingPipeline:
    folder = tmp_path_factory.mktemp("wenet")
    checkpoint = Checkpoint(write(folder / "checkpoint"), "tiny")
    built = families.load("wenet_u2").build(checkpoint, Options())
    populate(built, "live", folder, Deployment())
    return load(folder / "live")


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> StreamingPipeline:
    return make(write_bounded_wenet, tmp_path_factory)


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> StreamingPipeline:
    """The same weights, with more positions than the stream wants."""
    return make(lambda folder: write_streaming_wenet(folder, ENDLESS), tmp_path_factory)


def with_facts(
    pipeline: StreamingPipeline, max_windows: int | None, warm_up: int
) -> StreamingPipeline:
    facts = dataclasses.replace(pipeline.facts, max_windows=max_windows, warm_up=warm_up)
    spec = dataclasses.replace(pipeline.spec, streaming=facts)
    return StreamingPipeline(spec, pipeline.choices, pipeline.runner, pipeline.tokens)


def test_a_stream_beyond_its_positions_says_what_it_would_with_more_of_them(
    bounded: StreamingPipeline, endless: StreamingPipeline
) -> None:
    expected = said(listen(endless, cut(WAVEFORM, [])))
    assert sum(len(ids) for ids, _, _ in expected) > 30
    assert said(listen(bounded, cut(WAVEFORM, []))) == expected


def test_the_table_does_end(bounded: StreamingPipeline) -> None:
    with pytest.raises(Exception, match="out of"):
        listen(with_facts(bounded, None, 0), cut(WAVEFORM, []))


def test_a_cold_state_says_something_else(
    bounded: StreamingPipeline, endless: StreamingPipeline
) -> None:
    cold = with_facts(bounded, bounded.facts.max_windows, 0)
    expected = said(listen(endless, cut(WAVEFORM, [])))
    assert said(listen(cold, cut(WAVEFORM, []))) != expected


@FEW
@given(points=st.lists(st.integers(0, len(WAVEFORM)), max_size=12))
def test_any_chunking_says_what_one_chunk_says(
    bounded: StreamingPipeline, points: list[int]
) -> None:
    whole = said(listen(bounded, cut(WAVEFORM, [])))
    assert said(listen(bounded, cut(WAVEFORM, points))) == whole


def test_streams_at_any_distance_from_their_positions_end_say_what_they_say_alone(
    bounded: StreamingPipeline,
) -> None:
    waveforms = [noise(6 * 16000 + 17000 * row, row) for row in range(4)]
    streams = [bounded.start(RULES) for _ in waveforms]
    heads = [Chunk(waveform[: 17000 * row]) for row, waveform in enumerate(waveforms)]
    streams, early = bounded.step(streams, heads)
    tails = [Chunk(waveform[17000 * row :], True) for row, waveform in enumerate(waveforms)]
    _, late = bounded.step(streams, tails)
    together = [
        said([segment for partial in both for segment in partial.segments if segment.is_final])
        for both in zip(early, late, strict=True)
    ]
    assert together == [said(listen(bounded, cut(waveform, []))) for waveform in waveforms]
