"""Streaming recognition: (streams, chunks) in, (streams, partials) out. A stream is a value.

A step runs the encoder over all streams that have a full window, again and again until none has;
then ends what is to end. Nothing depends on how a stream was cut into chunks, nor on its company.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from auricle.serve.decode.endpoint import Rules, find_endpoint
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.framing import Backlog, Framing
from auricle.serve.planning import Waveform
from auricle.serve.runner import Array, Runner, Tensors
from auricle.serve.segments import Endpoint, Segment
from auricle.serve.stream_searches import Memory, create_stream_search
from auricle.serve.tokens import GrowingText, TokenTable
from auricle.spec import Choices, PipelineSpec

MAX_SEGMENT_SECONDS = 300.0  # without endpointing, too: what a stream keeps is bounded
NO_ENDPOINTS = Rules(float("inf"), float("inf"), MAX_SEGMENT_SECONDS)


@dataclass(frozen=True, eq=False)
class Stream:
    """What is known of one caller's audio between two chunks.

    state: float32 [S], the encoder's; None before the first window.
    origin: samples of the caller before those that this state has seen or will see.
    closed: segments that no partial has told yet.
    """

    memory: Memory
    rules: Rules = NO_ENDPOINTS
    backlog: Backlog = field(default_factory=Backlog)
    state: Array | None = None
    origin: int = 0
    text: GrowingText = field(default_factory=GrowingText)
    segment: Segment = field(default_factory=Segment)
    closed: tuple[Segment, ...] = ()

    @property
    def num_samples(self) -> int:
        return self.origin + self.backlog.num_samples


@dataclass(frozen=True)
class Chunk:
    """samples: float32 [num_samples], 0 or more.

    is_last: the stream ends behind them.  finalizes: the segment does, and the stream goes on.
    """

    samples: Waveform
    is_last: bool = False
    finalizes: bool = False


@dataclass(frozen=True)
class Partial:
    """What a stream says after a chunk.

    text: of the whole stream, of which nothing will change; more may follow.
    delta: what this chunk added to it.
    segments: those that the chunk ended, and the open one unless the stream ended.
    seconds: of audio so far.
    """

    text: str
    delta: str
    segments: tuple[Segment, ...]
    seconds: float
    is_final: bool


class StreamingPipeline:
    """Recognises many streams at once; holds none of them."""

    def __init__(
        self, spec: PipelineSpec, choices: Choices, runner: Runner, tokens: TokenTable
    ) -> None:
        assert spec.streaming, "a model of streams says how it takes them"
        self.spec = spec
        self.facts = spec.streaming
        self.choices = choices
        self.runner = runner
        self.tokens = tokens
        self.framing = Framing(spec.streaming, spec.sample_rate)
        self.search = create_stream_search(spec, choices, runner)

    def start(self, rules: Rules = NO_ENDPOINTS) -> Stream:
        """A stream before its first chunk."""
        return Stream(self.search.start, rules)

    def step(
        self, streams: Sequence[Stream], chunks: Sequence[Chunk]
    ) -> tuple[list[Stream], list[Partial]]:
        """Each stream behind its chunk, and what it says then."""
        behind = list(map(self._accept, streams, chunks))
        while ready := [row for row, each in enumerate(behind) if self._is_ready(each)]:
            advanced = self._advance([behind[row] for row in ready])
            for row, stream in zip(ready, advanced, strict=True):
                behind[row] = stream
        ended = list(map(self._end, behind, chunks))
        partials = list(map(self._tell, streams, ended, chunks))
        return [dataclasses.replace(stream, closed=()) for stream in ended], partials

    def _accept(self, stream: Stream, chunk: Chunk) -> Stream:
        backlog = self.framing.push(stream.backlog, chunk.samples)
        if chunk.is_last or chunk.finalizes:
            backlog = self.framing.flush(backlog)
        return dataclasses.replace(stream, backlog=backlog)

    def _is_ready(self, stream: Stream) -> bool:
        return self.framing.is_ready(stream.backlog)

    def _advance(self, streams: Sequence[Stream]) -> list[Stream]:
        """Each stream behind its next window."""
        outputs = self._encode(streams)
        found, memories = self.search.advance(outputs, [stream.memory for stream in streams])
        states = outputs["NEW_STATE"]
        return [
            # a copy: a row of a batch would keep the whole batch in memory
            self._extend(dataclasses.replace(stream, state=state.copy(), memory=memory), added)
            for stream, state, memory, added in zip(streams, states, memories, found, strict=True)
        ]

    def _encode(self, streams: Sequence[Stream]) -> Tensors:
        size = self.choices.max_sub_batch
        starts = range(0, len(streams), size)
        batches = [self._inputs(streams[start : start + size]) for start in starts]
        outputs = self.runner.run("encoder", batches)
        if len(outputs) == 1:
            return outputs[0]
        return {name: np.concatenate([each[name] for each in outputs]) for name in outputs[0]}

    def _inputs(self, streams: Sequence[Stream]) -> dict[str, Array]:
        zeros = np.zeros(self.facts.state_size, np.float32)
        states = [zeros if stream.state is None else stream.state for stream in streams]
        windows = [self.framing.window(stream.backlog) for stream in streams]
        return {"CHUNK": np.stack(windows), "STATE": np.stack(states)}

    def _extend(self, stream: Stream, added: Hypothesis) -> Stream:
        """With the tokens of a window, which is passed; its segment ends if a rule says so."""
        first_frame = self._seconds(stream) / self.spec.seconds_per_frame
        passed = dataclasses.replace(stream, backlog=self.framing.advance(stream.backlog))
        heard = min(self._seconds(passed), stream.num_samples / self.spec.sample_rate)
        segment = stream.segment.extend(added, first_frame, heard)
        text = self.tokens.grow(stream.text, added.ids)
        extended = dataclasses.replace(passed, segment=segment, text=text)
        rule = find_endpoint(
            stream.rules,
            segment.end - segment.start,
            segment.end - self._speech_end(segment),
            has_speech=bool(segment.hypothesis.ids),
        )
        return self._close(extended, segment.end, rule) if rule else extended

    def _seconds(self, stream: Stream) -> float:
        """Of the stream that lie behind the encoder."""
        passed = stream.backlog.num_windows * self.facts.hop
        return (stream.origin + passed) / self.spec.sample_rate

    def _speech_end(self, segment: Segment) -> float:
        """The second behind the last token, or the segment's start."""
        frames = segment.hypothesis.frames
        return (frames[-1] + 1) * self.spec.seconds_per_frame if frames else segment.start

    def _end(self, stream: Stream, chunk: Chunk) -> Stream:
        """Behind a forced end, the stream goes on as a new one would, but for its times."""
        if not (chunk.is_last or chunk.finalizes):
            return stream
        seconds = stream.num_samples / self.spec.sample_rate
        closed = self._close(stream, seconds, None if chunk.is_last else "finalize")
        return dataclasses.replace(
            closed,
            memory=self.search.start,
            backlog=Backlog(),
            state=None,
            origin=stream.num_samples,
            text=self.tokens.pause(closed.text),
        )

    def _close(self, stream: Stream, seconds: float, endpoint: Endpoint | None) -> Stream:
        closed = stream.segment.close(seconds, endpoint)
        return dataclasses.replace(
            stream, segment=closed.following(), closed=(*stream.closed, closed)
        )

    def _tell(self, before: Stream, stream: Stream, chunk: Chunk) -> Partial:
        text = stream.text.text
        return Partial(
            text=text,
            delta=text[len(before.text.text) :],
            segments=stream.closed if chunk.is_last else (*stream.closed, stream.segment),
            seconds=stream.num_samples / self.spec.sample_rate,
            is_final=chunk.is_last,
        )
