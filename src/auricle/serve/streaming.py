"""Streaming recognition: (streams, chunks) in, (streams, partials) out. A stream is a value.

A step runs the encoder over all streams that have a full window, again and again until none has;
then ends what is to end. Nothing depends on how a stream was cut into chunks, nor on its company.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from auricle.serve.decode.endpoint import NEVER, RuleName, Rules, find_endpoint
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.framing import Backlog, Framing
from auricle.serve.relay import create_relay
from auricle.serve.runner import Array, Runner, Tensors
from auricle.serve.segments import Endpoint, Segment
from auricle.serve.stream import Chunk, Partial, Stream
from auricle.serve.stream_searches import create_stream_search
from auricle.serve.tokens import TokenTable
from auricle.spec import Choices, PipelineSpec

PATIENCE_S = 5.0  # for a segment that is long enough to end, to come to a good place
PAUSE_S = 0.3  # a good place, behind a word


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
        self.relay = create_relay(spec.streaming)
        self.search = create_stream_search(spec, choices, runner)

    def start(self, rules: Rules = NEVER) -> Stream:
        """A stream before its first chunk; rules: by which its segments end."""
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
        ended = self._end(behind, chunks)
        partials = list(map(self._tell, streams, ended, chunks))
        return list(map(self._settle, ended)), partials

    def _settle(self, stream: Stream) -> Stream:
        """The same, until the next chunk comes."""
        backlog = self.framing.compact(stream.backlog)
        return dataclasses.replace(stream, backlog=backlog, closed=())

    def _accept(self, stream: Stream, chunk: Chunk) -> Stream:
        backlog = self.framing.push(stream.backlog, chunk.samples)
        if chunk.is_last or chunk.finalizes:
            backlog = self.framing.flush(backlog)
        return dataclasses.replace(stream, backlog=backlog)

    def _is_ready(self, stream: Stream) -> bool:
        return self.framing.is_ready(stream.backlog)

    def _advance(self, streams: Sequence[Stream]) -> list[Stream]:
        """Each stream behind its next window; the segments that a rule ends, end."""
        streams = self._relieve(streams)
        outputs, states = self._encode(streams)
        found, memories = self.search.advance(outputs, [stream.memory for stream in streams])
        advanced = []
        for row, stream in enumerate(streams):
            kept = {name: _row(outputs[name], row) for name in self.search.reads}
            state, next_state = states[row]
            moved = dataclasses.replace(
                stream, state=state, next_state=next_state, memory=memories[row]
            )
            advanced.append(self._extend(moved, found[row], kept))
        rules = {row: self._find_endpoint(stream) for row, stream in enumerate(advanced)}
        return self._close(advanced, {row: rule for row, rule in rules.items() if rule})

    def _relieve(self, streams: Sequence[Stream]) -> Sequence[Stream]:
        """With new states where the positions of the old ones have ended."""
        if not self.relay:
            return streams
        return [
            dataclasses.replace(stream, state=stream.next_state, next_state=None)
            if self.relay.takes_over(stream.backlog.num_windows)
            else stream
            for stream in streams
        ]

    def _encode(
        self, streams: Sequence[Stream]
    ) -> tuple[Tensors, list[tuple[Array, Array | None]]]:
        """What the encoder says of each one's next window, and its one or two states then."""
        doubled = [
            row
            for row, stream in enumerate(streams)
            if self.relay and self.relay.needs_two(stream.backlog.num_windows)
        ]
        rows = [(stream, stream.state) for stream in streams]
        rows += [(streams[row], streams[row].next_state) for row in doubled]
        outputs = self._run(rows)
        states = [_row(outputs["NEW_STATE"], row) for row in range(len(rows))]
        following = dict(zip(doubled, states[len(streams) :], strict=True))
        behind = [(states[row], following.get(row)) for row in range(len(streams))]
        return {name: values[: len(streams)] for name, values in outputs.items()}, behind

    def _run(self, rows: Sequence[tuple[Stream, Array | None]]) -> Tensors:
        size = self.choices.max_sub_batch
        starts = range(0, len(rows), size)
        batches = [self._inputs(rows[start : start + size]) for start in starts]
        outputs = self.runner.run("encoder", batches)
        if len(outputs) == 1:
            return outputs[0]
        return {name: np.concatenate([each[name] for each in outputs]) for name in outputs[0]}

    def _inputs(self, rows: Sequence[tuple[Stream, Array | None]]) -> dict[str, Array]:
        zeros = np.zeros(self.facts.state_size, np.float32)
        states = [zeros if state is None else state for _, state in rows]
        windows = [self.framing.window(stream.backlog) for stream, _ in rows]
        return {"CHUNK": _stack(windows), "STATE": _stack(states)}

    def _extend(self, stream: Stream, added: Hypothesis, kept: Tensors) -> Stream:
        """Behind its window, with what that window added."""
        first_frame = self._passed(stream) / self.spec.sample_rate / self.spec.seconds_per_frame
        passed = dataclasses.replace(stream, backlog=self.framing.advance(stream.backlog))
        heard = self._seconds(passed)
        text = self.tokens.grow(stream.text, added.ids)
        return dataclasses.replace(
            passed,
            segment=stream.segment.extend(added, first_frame, heard),
            text=text,
            stable=stream.stable if self.search.finish else text,
            kept=(*stream.kept, kept) if self.search.finish else (),
        )

    def _passed(self, stream: Stream) -> int:
        """Samples of the stream of which the encoder has spoken."""
        return stream.origin + stream.backlog.num_windows * self.facts.hop - self.facts.delay

    def _seconds(self, stream: Stream) -> float:
        """Of the caller's audio, of which the encoder has spoken."""
        passed = min(max(self._passed(stream), stream.origin), stream.num_samples)
        return passed / self.spec.sample_rate

    def _find_endpoint(self, stream: Stream) -> RuleName | None:
        """Without rules, too, a segment that is too long to keep ends at a pause.

        Behind the last sample none does: the silence there is ours.
        """
        if self._passed(stream) >= stream.num_samples:
            return None
        segment, longest = stream.segment, self.search.max_seconds
        seconds = segment.end - segment.start
        silence = segment.end - self._speech_end(segment)
        has_speech = bool(segment.hypothesis.ids)
        rule = find_endpoint(stream.rules, seconds, silence, has_speech=has_speech)
        is_amid_token = self.search.is_amid_token(stream.memory)
        if rule == "rule3" and is_amid_token and seconds < stream.rules.rule3 + PATIENCE_S:
            rule = None
        is_due = seconds >= longest and silence >= PAUSE_S
        return "rule3" if is_due or seconds >= longest + PATIENCE_S else rule

    def _speech_end(self, segment: Segment) -> float:
        """The second behind the last token, or the segment's start."""
        frames = segment.hypothesis.frames
        return (frames[-1] + 1) * self.spec.seconds_per_frame if frames else segment.start

    def _end(self, streams: Sequence[Stream], chunks: Sequence[Chunk]) -> list[Stream]:
        """Behind a forced end, a stream goes on as a new one would, but for its times."""
        ended = list(streams)
        closing: dict[int, Endpoint | None] = {}
        for row, (stream, chunk) in enumerate(zip(streams, chunks, strict=True)):
            if chunk.is_last or chunk.finalizes:
                closing[row] = None if chunk.is_last else "finalize"
                ended[row] = self._complete(stream)
        closed = self._close(ended, closing)
        return [self._restart(each) if row in closing else each for row, each in enumerate(closed)]

    def _complete(self, stream: Stream) -> Stream:
        """With all of the audio heard, and what the search holds back until there is no more."""
        seconds = stream.num_samples / self.spec.sample_rate
        if self.search.complete is None:
            segment = dataclasses.replace(stream.segment, end=seconds)
            return dataclasses.replace(stream, segment=segment)
        last = self.search.complete(stream.memory)
        behind = self._seconds(stream) / self.spec.seconds_per_frame
        text = self.tokens.grow(stream.text, last.ids)
        segment = stream.segment.extend(last, behind, seconds)
        return dataclasses.replace(stream, segment=segment, text=text, stable=text)

    def _restart(self, stream: Stream) -> Stream:
        text = self.tokens.pause(stream.text)
        return dataclasses.replace(
            stream,
            memory=self.search.start,
            backlog=Backlog(),
            state=None,
            next_state=None,
            origin=stream.num_samples,
            text=text,
            stable=text,
        )

    def _close(
        self, streams: Sequence[Stream], closing: Mapping[int, Endpoint | None]
    ) -> list[Stream]:
        """The streams with the open segments of some closed, by row."""
        behind = list(streams)
        finals = self._finish([streams[row] for row in closing])
        for (row, endpoint), final in zip(closing.items(), finals, strict=True):
            stream = streams[row]
            closed = stream.segment.close(final, endpoint)
            text = self.tokens.grow(stream.stable, final.ids) if self.search.finish else stream.text
            behind[row] = dataclasses.replace(
                stream,
                segment=closed.following(),
                closed=(*stream.closed, closed),
                text=text,
                stable=text,
                kept=(),
            )
        return behind

    def _finish(self, streams: Sequence[Stream]) -> list[Hypothesis]:
        """The last word on the open segment of each, all at once."""
        finals = [stream.segment.hypothesis for stream in streams]
        rows = [row for row, stream in enumerate(streams) if stream.kept]
        if not (self.search.finish and rows):
            return finals
        found = self.search.finish([_join(streams[row].kept) for row in rows])
        for row, hypothesis in zip(rows, found, strict=True):
            stream = streams[row]
            passed = stream.backlog.num_windows - len(stream.kept)
            start = (stream.origin + passed * self.facts.hop) / self.spec.sample_rate
            finals[row] = hypothesis.moved(start / self.spec.seconds_per_frame)
        return finals

    def _tell(self, before: Stream, stream: Stream, chunk: Chunk) -> Partial:
        stable = stream.stable.text
        return Partial(
            text=stream.text.text,
            stable=stable,
            delta=stable[len(before.stable.text) :],
            segments=stream.closed if chunk.is_last else (*stream.closed, stream.segment),
            seconds=stream.num_samples / self.spec.sample_rate,
            is_final=chunk.is_last,
        )


def _row(batch: Array, row: int) -> Array:
    """A copy, lest one stream keep the states of all others in memory."""
    of_row: Array = batch[row]
    return of_row if len(batch) == 1 else of_row.copy()


def _stack(rows: Sequence[Array]) -> Array:
    """[N, ...]; a row alone, which may have megabytes, is not copied."""
    return rows[0][None] if len(rows) == 1 else np.stack(rows)


def _join(windows: Sequence[Tensors]) -> Tensors:
    """The outputs of many windows [T, ...] as those of one utterance [1, sum of T, ...]."""
    joined: dict[str, Array] = {
        name: np.concatenate([each[name] for each in windows])[None] for name in windows[0]
    }
    num_frames = next(iter(joined.values())).shape[1]
    return joined | {"OUT_LENS": np.array([num_frames], np.int32)}
