"""Streams of a model that looks ahead and holds a token back until the audio shows it whole."""

from collections.abc import Sequence

import numpy as np
import pytest

from auricle.serve.decode.endpoint import NEVER, Rules
from auricle.serve.planning import Waveform
from auricle.serve.runner import Tensors
from auricle.serve.segments import Segment
from auricle.serve.stream import Chunk, Partial
from auricle.serve.streaming import StreamingPipeline
from auricle.serve.tokens import TokenTable
from auricle.spec import Choices, PipelineSpec, Source, Streaming
from tests.conftest import FakeRunner

SYMBOLS = ["<blank>", "<s>", "</s>", "one", "two", "three", "four"]
SAMPLE_RATE, HOP, FRAME, DELAY = 1600, 64, 16, 32
SPEC = PipelineSpec(
    family="paraformer",
    head="cif",
    sample_rate=SAMPLE_RATE,
    seconds_per_frame=0.01,
    graphs={"encoder": "encoder.onnx"},
    tokens="tokens.txt",
    token_kind="at_bpe",
    blank_id=0,
    unk_id=None,
    context_size=0,
    max_seconds=None,
    source=Source("nowhere", None, {}),
    streaming=Streaming(
        window=80, hop=HOP, reflected=0, state_size=DELAY + 1, num_frames=4, delay=DELAY
    ),
)


def hear(batch: Tensors) -> Tensors:
    """A frame's loudest sample is its token; what a token begins, the next one completes.

    STATE: the samples of the delay, and the token that is open.
    """
    chunk, state = batch["CHUNK"].astype(np.int64), batch["STATE"].astype(np.int64)
    heard = np.concatenate([state[:, :DELAY], chunk[:, : HOP - DELAY]], axis=1)
    by_frame = heard.reshape(len(chunk), 4, FRAME).max(axis=2)
    ids = np.zeros((len(chunk), 5), np.int32)
    frames, counts, opens = np.zeros_like(ids), [], []
    for row, tokens in enumerate(by_frame):
        still_open, count = state[row, DELAY], 0
        for frame, token in enumerate(tokens):
            if token and still_open:
                ids[row, count], frames[row, count] = still_open, frame
                count += 1
            still_open = token or still_open
        ids[row, count] = still_open
        counts.append(count)
        opens.append(still_open)
    kept = np.concatenate([chunk[:, HOP - DELAY : HOP], np.array(opens)[:, None]], axis=1)
    return {
        "TOKEN_IDS": ids,
        "TOKEN_LOG_PROBS": np.zeros(ids.shape, np.float32),
        "TOKEN_FRAMES": frames,
        "NUM_TOKENS": np.array(counts, np.int32),
        "HAS_TAIL": np.array(opens, np.int32).clip(max=1),
        "NEW_STATE": kept.astype(np.float32),
    }


@pytest.fixture
def pipeline() -> StreamingPipeline:
    runner = FakeRunner({"encoder": hear})
    return StreamingPipeline(SPEC, Choices(), runner, TokenTable(SYMBOLS, "at_bpe", 0.01))


def speak(*tokens: int, gap: int = 2, silence: int = 0) -> Waveform:
    """Each token in a frame of its own, some frames apart, then frames of silence."""
    waveform = np.zeros((1 + gap) * FRAME * len(tokens) + silence * FRAME, np.float32)
    for number, token in enumerate(tokens):
        start = (1 + gap) * FRAME * number
        waveform[start : start + FRAME] = token
    return waveform


def listen(
    pipeline: StreamingPipeline, chunks: Sequence[Chunk], rules: Rules = NEVER
) -> list[Partial]:
    stream, partials = pipeline.start(rules), []
    for chunk in chunks:
        (stream,), (partial,) = pipeline.step([stream], [chunk])
        partials.append(partial)
    return partials


def finals(partials: Sequence[Partial]) -> list[Segment]:
    return [segment for each in partials for segment in each.segments if segment.is_final]


def test_the_last_token_comes_with_the_end(pipeline: StreamingPipeline) -> None:
    waveform = speak(3, 4, 5, 6)
    before, last = listen(pipeline, [Chunk(waveform), Chunk(waveform[:0], is_last=True)])
    assert "four" not in before.text
    assert last.text == last.stable == "one two three four"


@pytest.mark.parametrize("num_samples", [1, 7, 63, 64, 65, 500])
def test_any_chunking_says_what_one_chunk_says(
    pipeline: StreamingPipeline, num_samples: int
) -> None:
    waveform = speak(3, 4, 5, 6, 3, gap=3)
    starts = range(0, len(waveform), num_samples)
    chunks = [Chunk(waveform[start : start + num_samples]) for start in starts]
    (whole,) = listen(pipeline, [Chunk(waveform, is_last=True)])
    *_, last = listen(pipeline, [*chunks, Chunk(waveform[:0], is_last=True)])
    assert last.text == whole.text == "one two three four one"
    assert finals([last]) == finals([whole])


def test_a_forced_end_completes_the_token_and_the_next_segment_begins_anew(
    pipeline: StreamingPipeline,
) -> None:
    first, second = speak(3, 4), speak(5, 6)
    partials = listen(pipeline, [Chunk(first, finalizes=True), Chunk(second, is_last=True)])
    assert [each.hypothesis.ids for each in finals(partials)] == [[3, 4], [5, 6]]
    assert partials[0].delta == "one two"
    assert partials[-1].text == "one two three four"


def test_tokens_are_dated_where_they_fire_and_the_last_within_the_audio(
    pipeline: StreamingPipeline,
) -> None:
    waveform = speak(3, 4, 5, gap=4)
    (segment,) = finals(listen(pipeline, [Chunk(waveform, is_last=True)]))
    assert segment.hypothesis.frames == pytest.approx([5, 10, len(waveform) / FRAME - 1])
    assert segment.end == len(waveform) / SAMPLE_RATE


def test_a_segment_ends_no_earlier_than_what_was_understood(pipeline: StreamingPipeline) -> None:
    """The encoder has spoken of less than it has seen; a rule counts the silence that it knows."""
    waveform = speak(3, 4, silence=60)
    rules = Rules(rule1=10.0, rule2=0.2, rule3=10.0)
    partials = listen(pipeline, [Chunk(waveform, is_last=True)], rules)
    first, *_ = finals(partials)
    assert first.endpoint == "rule2"
    assert first.end == pytest.approx(0.24 + 2 * FRAME / SAMPLE_RATE, abs=HOP / SAMPLE_RATE)
    assert partials[-1].text == "one two"
