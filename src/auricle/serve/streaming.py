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
from auricle.serve.options import BeamOptions, default_options
from auricle.serve.relay import create_relay
from auricle.serve.runner import Array, Runner, Tensors
from auricle.serve.scorers import Aids, Scorers
from auricle.serve.searches import Parts
from auricle.serve.segments import Endpoint, Segment
from auricle.serve.stream import Chunk, Partial, Stream
from auricle.serve.stream_arrays import join, stack_rows, take_row
from auricle.serve.stream_searches import Ended, create_stream_search
from auricle.serve.tokens import Alternative, TokenTable
from auricle.spec import Choices, PipelineSpec

PATIENCE_S = 5.0  # for a segment that is long enough to end, to come to a good place
PAUSE_S = 0.3  # a good place, behind a word


class StreamingPipeline:
    """Recognises many streams at once; holds none of them."""

    def __init__(
        self,
        spec: PipelineSpec,
        choices: Choices,
        runner: Runner,
        tokens: TokenTable,
        aids: Aids | None = None,
    ) -> None:
        """aids: what the searches are given beside the network."""
        assert spec.streaming, "a model of streams says how it takes them"
        self.spec = spec
        self.facts = spec.streaming
        self.choices = choices
        self.runner = runner
        self.tokens = tokens
        self.framing = Framing(spec.streaming, spec.sample_rate)
        self.relay = create_relay(spec.streaming)
        self.aids = aids = aids or Aids()
        self.defaults = aids.add_to(default_options(spec, choices)).beam
        scorers = Scorers(aids.language_model)
        self.search = create_stream_search(Parts(spec, choices, runner, scorers))

    def start(self, rules: Rules = NEVER, asked: BeamOptions | None = None) -> Stream:
        """A stream before its first chunk; rules: by which its segments end."""
        asked = asked or self.defaults
        return Stream(self.search.start(asked), rules, asked)

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
        memories = [stream.memory for stream in streams]
        asked = [stream.asked for stream in streams]
        found, memories = self.search.advance(outputs, memories, asked)
        advanced = []
        for row, stream in enumerate(streams):
            kept = {name: take_row(outputs[name], row) for name in self.search.reads}
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
        states = [take_row(outputs["NEW_STATE"], row) for row in range(len(rows))]
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
        return {"CHUNK": stack_rows(windows), "STATE": stack_rows(states)}

    def _extend(self, stream: Stream, added: Hypothesis, kept: Tensors) -> Stream:
        """Behind its window, with what that window added."""
        passed = dataclasses.replace(
            stream,
            backlog=self.framing.advance(stream.backlog),
            num_windows=stream.num_windows + 1,
            kept=(*stream.kept, kept) if self.search.reads else (),
        )
        heard = self._seconds(passed)
        if self.search.retells:
            said = added.moved(self._first_frame(passed, passed.num_windows))
            segment = dataclasses.replace(stream.segment, hypothesis=said, end=heard)
            text = self.tokens.grow(stream.stable, added.ids)
        else:
            segment = stream.segment.extend(added, self._first_frame(passed, 1), heard)
            text = self.tokens.grow(stream.text, added.ids)
        stable = stream.stable if self.search.finish else text
        return dataclasses.replace(passed, segment=segment, text=text, stable=stable)

    def _first_frame(self, stream: Stream, num_windows: int) -> float:
        """The encoder's frame at which the last windows began."""
        behind = num_windows * self.facts.hop
        return (self._passed(stream) - behind) / self.spec.sample_rate / self.spec.seconds_per_frame

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
            memory=self.search.start(stream.asked),
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
        for (row, endpoint), (final, *others) in zip(closing.items(), finals, strict=True):
            stream = streams[row]
            closed = stream.segment.close(final, endpoint, self._nbest(stream, [final, *others]))
            text = self.tokens.grow(stream.stable, final.ids) if self.search.finish else stream.text
            behind[row] = dataclasses.replace(
                stream,
                segment=closed.following(),
                closed=(*stream.closed, closed),
                text=text,
                stable=text,
                memory=self.search.resume(stream.memory, stream.asked),
                num_windows=0,
                kept=(),
            )
        return behind

    def _nbest(self, stream: Stream, nbest: Sequence[Hypothesis]) -> tuple[Alternative, ...] | None:
        most = stream.asked.nbest
        return self.tokens.tell_nbest(nbest, most) if most and self.search.finish else None

    def _finish(self, streams: Sequence[Stream]) -> list[list[Hypothesis]]:
        """The last word on the open segment of each, best first, all at once."""
        finals = [[stream.segment.hypothesis] for stream in streams]
        rows = [row for row, stream in enumerate(streams) if stream.num_windows]
        if not (self.search.finish and rows):
            return finals
        ended = [
            Ended(join(streams[row].kept), streams[row].memory, streams[row].asked) for row in rows
        ]
        for row, (best, *others) in zip(rows, self.search.finish(ended), strict=True):
            first_frame = self._first_frame(streams[row], streams[row].num_windows)
            finals[row] = [best.moved(first_frame), *others]
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
