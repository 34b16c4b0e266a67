"""What became of a request, for its response, the metrics and the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from auricle.errors import AuricleError, BusyError, InvalidRequestError
from auricle.serve.stream import Partial
from auricle.serve.tokens import Transcript

Unfit = Literal[
    "amplitude",
    "beam",
    "decoding",
    "empty",
    "endpoint",
    "hotwords",
    "itn",
    "language",
    "lengths",
    "lm",
    "missing_input",
    "prompt",
    "sample_rate",
    "stream",
    "task",
    "text_norm",
    "timestamps",
    "too_long",
    "unknown_parameter",
    "vad",
]
Reason = Literal[Unfit, "busy", "cancelled", "failed"]
REASONS: tuple[Reason, ...] = get_args(Reason)


class UnfitRequestError(InvalidRequestError):
    """The sentence is for the caller, the reason for those who count."""

    def __init__(self, reason: Unfit, sentence: str) -> None:
        super().__init__(sentence)
        self.reason: Unfit = reason


class CancelledRequestError(AuricleError):
    pass


def reason_of(error: Exception) -> Reason:
    if isinstance(error, UnfitRequestError):
        return error.reason
    if isinstance(error, CancelledRequestError):
        return "cancelled"
    return "busy" if isinstance(error, BusyError) else "failed"


@dataclass(frozen=True)
class Utterance:
    """What was asked and what was heard."""

    transcript: Transcript
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What became of one request.

    utterances: what was heard; none where there is an error.
    audio_seconds: of each utterance that was asked; None where the request was not read.
    batch, compute_s: the utterances that were transcribed together, and what that took.
    """

    utterances: Sequence[Utterance] = ()
    error: Exception | None = None
    audio_seconds: Sequence[float] | None = None
    batch: int = 0
    compute_s: float = 0.0

    @property
    def texts(self) -> list[str]:
        return [each.transcript.text for each in self.utterances]

    @property
    def num_heard(self) -> int:
        """Utterances that are now transcribed."""
        return len(self.utterances)

    @property
    def heard_seconds(self) -> float:
        return sum(each.seconds for each in self.utterances)


@dataclass(frozen=True)
class StreamOutcome(Outcome):
    """What became of one chunk of a stream; partial: None where there is an error."""

    stream_id: int | str = ""
    partial: Partial | None = None

    @property
    def texts(self) -> list[str]:
        return [self.partial.delta] if self.partial else []

    @property
    def num_heard(self) -> int:
        segments = self.partial.segments if self.partial else ()
        return sum(bool(each.is_final and each.hypothesis.ids) for each in segments)

    @property
    def heard_seconds(self) -> float:
        return sum(self.audio_seconds or ()) if self.partial else 0.0
