import dataclasses
import itertools
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.decode import ctc, prefix_beam
from auricle.serve.decode.endpoint import Rules
from auricle.serve.framing import TAIL_FRAMES
from auricle.serve.planning import Waveform
from auricle.serve.runner import Tensors
from auricle.serve.segments import Segment
from auricle.serve.stream import Chunk, Partial, Stream
from auricle.serve.streaming import StreamingPipeline
from auricle.serve.tokens import TokenTable
from auricle.spec import Choices, Decoding, PipelineSpec, Source, Streaming
from tests.conftest import FakeRunner

SYMBOLS = ["<blk>"] + [f"▁{chr(ord('a') + index)}" for index in range(25)]
SAMPLE_RATE, HOP = 1600, 64
SPEC = PipelineSpec(
    family="icefall_ctc",
    head="ctc",
    sample_rate=SAMPLE_RATE,
    seconds_per_frame=0.01,
    graphs={"encoder": "encoder.onnx"},
    tokens="tokens.txt",
    token_kind="bpe",
    blank_id=0,
    unk_id=None,
    context_size=0,
    max_seconds=None,
    source=Source("nowhere", None, {}),
    streaming=Streaming(window=120, hop=HOP, reflected=12, state_size=2, num_frames=4),
)
RULES = Rules(rule1=0.4, rule2=0.2, rule3=1.5)
LOG_PROBS = np.log(np.array([0.55, 0.4], np.float32))  # of a frame's best label and its second
DECODINGS: tuple[Decoding, ...] = ("greedy_search", "prefix_beam_search")
ALL_DECODINGS = pytest.mark.parametrize("decoding", DECODINGS)


def hear(batch: Tensors) -> Tensors:
    """Each frame's token is a number made of its 16 samples and all that was heard before."""
    chunk, state = batch["CHUNK"].astype(np.int64), batch["STATE"].astype(np.int64)
    sums = chunk[:, :HOP].reshape(len(chunk), 4, 16).sum(axis=2)
    tail = chunk[:, HOP:].sum(axis=1, keepdims=True)
    heard = (7 * sums + 3 * tail + state[:, :1]) % 97
    ids = np.where(heard % 3 == 0, heard % 25 + 1, 0)[..., None]
    ids[sums == 0] = 0  # silence says nothing
    new_state = np.stack([(31 * state[:, 0] + sums @ [1, 2, 3, 4]) % 89, state[:, 1] + 1], axis=1)
    return {
        "TOPK_IDS": np.concatenate([ids, np.where(ids == 7, 8, 7)], axis=2).astype(np.int32),
        "TOPK_LOG_PROBS": np.broadcast_to(LOG_PROBS, (*sums.shape, 2)),
        "BLANK_LOG_PROBS": np.where(ids[..., 0] == 0, *LOG_PROBS[:, None, None]),
        "NEW_STATE": new_state.astype(np.float32),
    }


def make(runner: FakeRunner | None = None, choices: Choices | None = None) -> StreamingPipeline:
    runner = runner or FakeRunner({"encoder": hear})
    return StreamingPipeline(SPEC, choices or Choices(), runner, TokenTable(SYMBOLS, "bpe", 0.01))


def noise(num_samples: int, seed: int = 0) -> Waveform:
    return np.random.default_rng(seed).integers(0, 5, num_samples).astype(np.float32)


def cut(waveform: Waveform, points: Sequence[int]) -> list[Chunk]:
    """Chunks between the points; the last one ends the stream."""
    bounds = [0, *sorted(points), len(waveform)]
    chunks = [Chunk(waveform[start:end]) for start, end in itertools.pairwise(bounds)]
    return [*chunks[:-1], dataclasses.replace(chunks[-1], is_last=True)]


def listen(
    pipeline: StreamingPipeline, chunks: Sequence[Chunk], stream: Stream | None = None
) -> list[Partial]:
    stream = stream or pipeline.start()
    partials = []
    for chunk in chunks:
        (stream,), (partial,) = pipeline.step([stream], [chunk])
        partials.append(partial)
    return partials


def listen_together(
    pipeline: StreamingPipeline, cut_streams: Sequence[list[Chunk]], random: Random
) -> list[list[Partial]]:
    """Of each stream, some of which have a chunk at each step."""
    together: list[list[Partial]] = [[] for _ in cut_streams]
    held = [pipeline.start(RULES) for _ in cut_streams]
    waiting = [list(chunks) for chunks in cut_streams]
    while rows := [row for row, chunks in enumerate(waiting) if chunks]:
        rows = sorted(random.sample(rows, random.randint(1, len(rows))))
        behind, partials = pipeline.step(
            [held[row] for row in rows], [waiting[row].pop(0) for row in rows]
        )
        for row, stream, partial in zip(rows, behind, partials, strict=True):
            held[row] = stream
            together[row].append(partial)
    return together


def finals(partials: Sequence[Partial]) -> list[Segment]:
    return [segment for each in partials for segment in each.segments if segment.is_final]


@st.composite
def streams(draw: st.DrawFn) -> tuple[Waveform, list[Chunk]]:
    waveform = noise(draw(st.integers(0, 1600)), draw(st.integers(0, 99)))
    for start in draw(st.lists(st.integers(0, 1500), max_size=2)):
        waveform[start : start + 500] = 0
    points = draw(st.lists(st.integers(0, len(waveform)), max_size=6))
    return waveform, cut(waveform, points)


@ALL_DECODINGS
@settings(max_examples=30, deadline=None)
@given(cut_stream=streams())
def test_any_chunking_gives_the_same_text_as_one_chunk(
    decoding: Decoding, cut_stream: tuple[Waveform, list[Chunk]]
) -> None:
    waveform, chunks = cut_stream
    pipeline = make(choices=Choices(decoding=decoding))
    (whole,) = listen(pipeline, cut(waveform, []))
    partials = listen(pipeline, chunks)
    assert partials[-1].text == whole.text
    assert finals(partials) == finals([whole])


@ALL_DECODINGS
@settings(max_examples=30, deadline=None)
@given(cut_stream=streams())
def test_any_chunking_gives_the_same_segments_with_endpoints(
    decoding: Decoding, cut_stream: tuple[Waveform, list[Chunk]]
) -> None:
    waveform, chunks = cut_stream
    pipeline = make(choices=Choices(decoding=decoding))
    whole = listen(pipeline, cut(waveform, []), pipeline.start(RULES))
    assert finals(listen(pipeline, chunks, pipeline.start(RULES))) == finals(whole)


@settings(max_examples=30, deadline=None)
@given(
    cut_streams=st.lists(streams(), min_size=2, max_size=5),
    max_sub_batch=st.sampled_from([1, 2, 16]),
    random=st.randoms(),
)
@ALL_DECODINGS
def test_streams_in_any_company_say_what_they_say_alone(
    decoding: Decoding,
    cut_streams: list[tuple[Waveform, list[Chunk]]],
    max_sub_batch: int,
    random: Random,
) -> None:
    pipeline = make(choices=Choices(max_sub_batch=max_sub_batch, decoding=decoding))
    chunks = [chunks for _, chunks in cut_streams]
    alone = [listen(pipeline, each, pipeline.start(RULES)) for each in chunks]
    assert listen_together(pipeline, chunks, random) == alone


@given(streams())
def test_endpoints_cut_the_text_and_change_no_word(
    cut_stream: tuple[Waveform, list[Chunk]],
) -> None:
    waveform, chunks = cut_stream
    pipeline = make()
    (whole,) = listen(pipeline, cut(waveform, []))
    partials = listen(pipeline, chunks, pipeline.start(RULES))
    assert partials[-1].text == whole.text
    texts = [pipeline.tokens.transcribe(each.hypothesis).text for each in finals(partials)]
    assert " ".join(filter(None, texts)) == whole.text


@ALL_DECODINGS
@settings(max_examples=30, deadline=None)
@given(cut_stream=streams())
def test_segments_lie_end_to_end_over_the_whole_stream(
    decoding: Decoding, cut_stream: tuple[Waveform, list[Chunk]]
) -> None:
    waveform, chunks = cut_stream
    pipeline = make(choices=Choices(decoding=decoding))
    segments = finals(listen(pipeline, chunks, pipeline.start(RULES)))
    assert [segment.id for segment in segments] == list(range(len(segments)))
    bounds = [0.0, *(segment.end for segment in segments)]
    assert [segment.start for segment in segments] == bounds[:-1]
    assert bounds == sorted(bounds)
    assert bounds[-1] == len(waveform) / SAMPLE_RATE


@given(streams())
def test_all_of_a_best_path_is_stable(cut_stream: tuple[Waveform, list[Chunk]]) -> None:
    for partial in listen(make(), cut_stream[1]):
        assert partial.stable == partial.text


@ALL_DECODINGS
@settings(max_examples=30, deadline=None)
@given(cut_stream=streams())
def test_what_is_stable_only_grows_and_its_deltas_are_the_text(
    decoding: Decoding, cut_stream: tuple[Waveform, list[Chunk]]
) -> None:
    pipeline = make(choices=Choices(decoding=decoding))
    partials = listen(pipeline, cut_stream[1], pipeline.start(RULES))
    stable = ""
    for partial in partials:
        stable += partial.delta
        assert partial.stable == stable
        assert partial.text.startswith(stable)
    assert stable == partials[-1].text
    assert [partial.is_final for partial in partials] == [False] * (len(partials) - 1) + [True]


@settings(max_examples=30, deadline=None)
@given(cut_stream=streams())
def test_a_segment_is_searched_again_when_it_ends(
    cut_stream: tuple[Waveform, list[Chunk]],
) -> None:
    outputs: list[Tensors] = []

    def remember(batch: Tensors) -> Tensors:
        outputs.append(hear(batch))
        return outputs[-1]

    runner = FakeRunner({"encoder": remember})
    pipeline = make(runner, Choices(decoding="prefix_beam_search", beam=3))
    segments = finals(listen(pipeline, cut_stream[1], pipeline.start(RULES)))
    names = ("TOPK_IDS", "TOPK_LOG_PROBS", "BLANK_LOG_PROBS")
    bounds = [round(segment.start * SAMPLE_RATE / HOP) for segment in segments]
    for segment, start, end in zip(segments, bounds, [*bounds[1:], len(outputs)], strict=True):
        columns = (
            [np.concatenate([each[name] for each in outputs[start:end]], axis=1) for name in names]
            if start < end
            else []
        )
        if not columns:
            assert segment.hypothesis.ids == []
            continue
        lens = np.array([columns[0].shape[1]], np.int32)
        (nbest,) = prefix_beam.search(ctc.Emissions(*columns, lens, 0), beam=3)  # type: ignore[call-arg, arg-type]
        assert segment.hypothesis.ids == nbest[0].ids
        assert segment.hypothesis.score == nbest[0].score
        frames = segment.hypothesis.frames or []
        assert all(4 * start <= frame < 4 * end for frame in frames)


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_behind_a_forced_end_a_stream_goes_on_as_a_new_one(first: int, second: int) -> None:
    pipeline, waveform = make(), noise(first + second)
    early, late = waveform[:first], waveform[first:]
    partials = listen(pipeline, [Chunk(early, finalizes=True), Chunk(late, is_last=True)])
    (one,), (other,) = (listen(pipeline, cut(part, [])) for part in (early, late))
    assert partials[0].text == one.text
    assert partials[1].text == " ".join(filter(None, (one.text, other.text)))
    ids = [segment.hypothesis.ids for segment in finals(partials)]
    assert ids == [segment.hypothesis.ids for segment in finals([one, other])]


def test_times_go_on_behind_a_forced_end() -> None:
    pipeline, waveform = make(), noise(1600)
    forced = Chunk(waveform[:800], finalizes=True)
    ended, last = finals(listen(pipeline, [forced, Chunk(waveform[800:], is_last=True)]))
    assert (ended.start, ended.end, ended.endpoint) == (0.0, 0.5, "finalize")
    assert (last.start, last.end, last.endpoint) == (0.5, 1.0, None)
    assert all(50 <= frame <= 100 for frame in last.hypothesis.frames or [])


@pytest.mark.parametrize("num_samples", [1, 11, 12, 40, 119])
def test_a_clip_shorter_than_a_window_is_heard(num_samples: int) -> None:
    runner = FakeRunner({"encoder": hear})
    (partial,) = listen(make(runner), cut(noise(num_samples) + 1, []))
    num_frames = (num_samples + 8) // 16
    assert len(runner.asked) == (-(-(num_frames + TAIL_FRAMES) // 4) if num_frames else 0)
    assert partial.seconds == num_samples / SAMPLE_RATE


def test_all_streams_that_are_ready_share_a_run() -> None:
    runner = FakeRunner({"encoder": hear})
    pipeline = make(runner, Choices(max_sub_batch=16))
    chunks = [Chunk(noise(108 + HOP * hops)) for hops in (0, 2, 1)] + [Chunk(noise(50))]
    pipeline.step([pipeline.start()] * 4, chunks)
    rows = [[len(batch["CHUNK"]) for batch in batches] for _, batches in runner.asked]
    assert rows == [[3], [2], [1]]


def test_a_run_of_many_streams_is_cut_to_the_sub_batches_that_were_chosen() -> None:
    runner = FakeRunner({"encoder": hear})
    pipeline = make(runner, Choices(max_sub_batch=2))
    pipeline.step([pipeline.start()] * 5, [Chunk(noise(108))] * 5)
    ((_, batches),) = runner.asked
    assert [len(batch["CHUNK"]) for batch in batches] == [2, 2, 1]


def test_a_stream_keeps_no_more_for_having_lasted_longer() -> None:
    pipeline = make()
    stream = pipeline.start(RULES)
    sizes = []
    for second in range(60):
        (stream,), _ = pipeline.step([stream], [Chunk(noise(SAMPLE_RATE, second))])
        sizes.append(len(stream.backlog.pending) + len(stream.segment.hypothesis.ids))
        assert stream.backlog.pending.base is None
    assert max(sizes[30:]) <= max(sizes[:30]) + 20
    assert stream.closed == ()


@pytest.mark.parametrize(
    ("silence", "rules", "expected"),
    [
        (0.0, Rules(), None),
        (1.1, Rules(), None),
        (1.3, Rules(), "rule2"),
        (1.3, Rules(rule2=5), None),
        (2.5, Rules(rule2=5), "rule1"),
        (0.0, Rules(rule3=0.1), "rule3"),
    ],
)
def test_a_segment_ends_by_the_first_rule_that_holds(
    silence: float, rules: Rules, expected: str | None
) -> None:
    pipeline = make()
    waveform = np.concatenate([noise(400), np.zeros(int(silence * SAMPLE_RATE), np.float32)])
    (partial,) = listen(pipeline, [Chunk(waveform)], pipeline.start(rules))
    assert partial.segments[0].hypothesis.ids
    assert partial.segments[0].endpoint == expected


@pytest.mark.parametrize(("pause", "expected"), [(0.5, [62.0, 70.0]), (0.0, [65.0, 70.0])])
def test_a_segment_that_is_too_long_to_keep_ends_at_a_pause(
    pause: float, expected: list[float]
) -> None:
    waveform = noise(70 * SAMPLE_RATE)
    spoken_end = int(61.6 * SAMPLE_RATE)
    waveform[spoken_end : spoken_end + int(pause * SAMPLE_RATE)] = 0
    segments = finals(listen(make(), cut(waveform, [])))
    assert [segment.end for segment in segments] == pytest.approx(expected, abs=0.08)
    assert [segment.endpoint for segment in segments] == ["rule3", None]


def test_a_stream_of_silence_ends_its_segments_too() -> None:
    pipeline = make()
    silence = Chunk(np.zeros(SAMPLE_RATE, np.float32))
    (partial,) = listen(pipeline, [silence], pipeline.start(RULES))
    assert [segment.endpoint for segment in partial.segments] == ["rule1", "rule1", None]
