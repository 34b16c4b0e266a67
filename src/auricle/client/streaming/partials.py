"""What goes into a stream and what comes out of it, as frozen dataclasses."""

from dataclasses import dataclass

from auricle import wire
from auricle.audio import Waveform
from auricle.client.results import Result, Segment, parse_result
from auricle.client.transport import Texts


@dataclass(frozen=True)
class Chunk:
    """Some of a stream's audio, any number of samples.

    samples: float32 [num_samples], mono, at the stream's rate.
    is_last: the stream ends with it; without such a chunk it ends by a request of its own.
    finalize: end the segment after it.
    at: when its last sample was there, by time.perf_counter; None is when it was handed over.
    """

    samples: Waveform
    is_last: bool = False
    finalize: bool = False
    at: float | None = None


@dataclass(frozen=True)
class Partial:
    """What the server makes of a stream after one more chunk.

    text: of the whole stream so far.  stable: the beginning of it that will not change.
    delta: what the stable text has grown by.  is_final: the stream has ended, and this is its text.
    segments: those that the chunk has closed; times count from the start of the stream.
    open_segment: the one that goes on; None at the end, and from a server that does not tell.
    audio_seconds: of the stream until then.  latency_s: since the chunk's last sample was there.
    result: RESULT in full; None where only the text was asked for, which is then never stable.
    """

    text: str
    stable: str = ""
    delta: str = ""
    is_final: bool = False
    segments: tuple[Segment, ...] = ()
    open_segment: Segment | None = None
    audio_seconds: float = 0.0
    latency_s: float = 0.0
    result: Result | None = None

    @property
    def unstable(self) -> str:
        """What may still change: the text after the stable beginning."""
        return self.text[len(self.stable) :]


@dataclass(frozen=True)
class Sent:
    """A chunk under way: when its audio was there, and the stream's seconds until its end."""

    at: float
    audio_seconds: float
    is_last: bool


def read_partial(texts: Texts, sent: Sent, now: float) -> Partial:
    """The answer to a chunk, come at `now` by time.perf_counter."""
    (text,) = texts[wire.TRANSCRIPTS.name]
    details = texts.get(wire.RESULT.name)
    result = parse_result(details[0]) if details else None
    segments = result.segments if result else ()
    settled = text if sent.is_last else ""  # by a server that does not say
    return Partial(
        text,
        stable=settled if result is None or result.stable is None else result.stable,
        delta=settled if result is None or result.delta is None else result.delta,
        is_final=sent.is_last,
        segments=tuple(segment for segment in segments if segment.final),
        open_segment=next((segment for segment in segments if not segment.final), None),
        audio_seconds=sent.audio_seconds,
        latency_s=now - sent.at,
        result=result,
    )
