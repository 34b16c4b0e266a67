"""What every streaming model must hold to, from samples to text."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auricle.build.families import Built
from auricle.build.repository import config
from auricle.build.repository.populate import Deployment, populate
from auricle.serve.backend.local import load_streaming_pipeline
from auricle.serve.decode.endpoint import Rules
from auricle.serve.planning import Waveform
from auricle.serve.segments import Segment
from auricle.serve.stream import Chunk, Stream
from auricle.serve.streaming import StreamingPipeline
from auricle.spec import parse_choices
from tests.families.checkpoints import STREAMING

pytestmark = pytest.mark.onnx

RULES = Rules(rule2=0.5, rule3=2.0)
FEW = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module", params=STREAMING)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def pipeline(built: Built, tmp_path_factory: pytest.TempPathFactory) -> StreamingPipeline:
    """As Triton would load it, with the choices that the builder makes."""
    repository = tmp_path_factory.mktemp("repository")
    populate(built, "live", repository, Deployment())
    return load(repository / "live")


def load(folder: Path) -> StreamingPipeline:
    parameters = config.parse((folder / "config.pbtxt").read_text()).parameters
    choices = parse_choices({name: each.string_value for name, each in parameters.items()})
    return load_streaming_pipeline(folder / "1", choices)


def noise(num_samples: int, seed: int = 0) -> Waveform:
    """Louder and softer by turns of a quarter of a second."""
    samples = np.random.default_rng(seed).normal(0, 0.1, num_samples)
    loudness = 0.5 + np.sin(np.arange(num_samples) * 2 * np.pi / 8000)
    waveform: Waveform = (samples * loudness).astype(np.float32)
    return waveform


def cut(waveform: Waveform, points: Sequence[int]) -> list[Chunk]:
    bounds = [0, *sorted(points), len(waveform)]
    pairs = list(itertools.pairwise(bounds))
    return [Chunk(waveform[start:end], index == len(pairs) - 1) for index, (start, end) in
            enumerate(pairs)]  # fmt: skip


def listen(pipeline: StreamingPipeline, chunks: Sequence[Chunk]) -> list[Segment]:
    """The segments of one stream alone."""
    stream, segments = pipeline.start(RULES), []
    for chunk in chunks:
        (stream,), (partial,) = pipeline.step([stream], [chunk])
        segments += [segment for segment in partial.segments if segment.is_final]
    return segments


def said(segments: Sequence[Segment]) -> list[tuple[list[int], list[float] | None, float]]:
    """Of each segment the tokens, their frames, and its end."""
    return [(each.hypothesis.ids, each.hypothesis.frames, each.end) for each in segments]


def test_noise_says_something(pipeline: StreamingPipeline) -> None:
    assert any(ids for ids, _, _ in said(listen(pipeline, cut(noise(64000), []))))


@FEW
@given(points=st.lists(st.integers(0, 48000), max_size=8))
def test_any_chunking_says_what_one_chunk_says(
    pipeline: StreamingPipeline, points: list[int]
) -> None:
    waveform = noise(48000)
    assert said(listen(pipeline, cut(waveform, points))) == said(
        listen(pipeline, cut(waveform, []))
    )


@FEW
@given(data=st.data())
def test_streams_in_any_company_say_what_they_say_alone(
    pipeline: StreamingPipeline, data: st.DataObject
) -> None:
    waveforms = [noise(16000 + 9000 * row, row) for row in range(4)]
    points = st.lists(st.integers(0, 16000), max_size=4)
    waiting = [cut(waveform, data.draw(points)) for waveform in waveforms]
    streams: list[Stream] = [pipeline.start(RULES) for _ in waveforms]
    segments: list[list[Segment]] = [[] for _ in waveforms]
    while rows := [row for row, chunks in enumerate(waiting) if chunks]:
        rows = sorted(data.draw(st.sets(st.sampled_from(rows), min_size=1)))
        behind, partials = pipeline.step(
            [streams[row] for row in rows], [waiting[row].pop(0) for row in rows]
        )
        for row, stream, partial in zip(rows, behind, partials, strict=True):
            streams[row] = stream
            segments[row] += [segment for segment in partial.segments if segment.is_final]
    alone = [listen(pipeline, cut(waveform, [])) for waveform in waveforms]
    assert list(map(said, segments)) == list(map(said, alone))


@pytest.mark.parametrize("num_samples", [0, 1, 79, 80, 400, 1600, 4000])
def test_the_shortest_stream_is_answered(pipeline: StreamingPipeline, num_samples: int) -> None:
    (segment,) = listen(pipeline, cut(noise(num_samples), []))
    assert segment.end == num_samples / 16000
