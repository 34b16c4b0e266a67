"""What a server answers, typed: the RESULT tensor's schema as frozen dataclasses.

Times are seconds from the start of the audio; what the model cannot know is None.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

from auricle.client.times import Times
from auricle.errors import AuricleError

Part = TypeVar("Part")


@dataclass(frozen=True)
class Token:
    text: str
    start: float | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Word:
    text: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Alternative:
    text: str
    score: float | None = None


@dataclass(frozen=True)
class Segment:
    """endpoint: the rule by which the server ended it, or "finalize"; None at the end."""

    id: int
    start: float | None
    end: float | None
    text: str
    final: bool = True
    endpoint: str | None = None
    tokens: tuple[Token, ...] = ()
    words: tuple[Word, ...] = ()
    nbest: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Result:
    """One response in full; stable and delta concern streams.

    tags: what a family says of the audio beside the text, by its own names, such as emotion.
    """

    model: str
    text: str
    language: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    audio_seconds: float | None = None
    is_final: bool = True
    stable: str | None = None
    delta: str | None = None
    segments: tuple[Segment, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)


@dataclass(frozen=True)
class Transcription:
    """A transcript and what it took; result is None where only the text was asked for.

    latency_s: from the first attempt to the answer, waits between attempts included; of a stream,
    from its last sample to its final text.  times: of a stream; None where the audio went whole.
    first_pass: the text of a stream before a second pass; None where there was none.
    """

    text: str
    result: Result | None
    audio_seconds: float
    latency_s: float
    attempts: int = 1
    times: Times | None = None
    first_pass: str | None = None


def parse_result(text: str) -> Result:
    """Read RESULT's JSON; keys that this client does not know are left out."""
    try:
        record = json.loads(text)
        segments = tuple(_segment(segment) for segment in record.get("segments") or ())
        tags = dict(record.get("tags") or {})
        return _build(Result, {**record, "tags": tags, "segments": segments})
    except (AttributeError, TypeError, ValueError) as error:
        raise AuricleError(f"the server's RESULT is not in Auricle's schema ({error})") from error


def _segment(record: dict[str, list[dict[str, object]] | None]) -> Segment:
    kinds = {"tokens": Token, "words": Word, "nbest": Alternative}
    parts: dict[str, object] = {
        name: tuple(_build(kind, part) for part in record.get(name) or ())
        for name, kind in kinds.items()
    }
    return _build(Segment, {**record, **parts})


def _build(kind: type[Part], record: Mapping[str, object]) -> Part:
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # all are dataclasses
    return kind(**{name: value for name, value in record.items() if name in known})
