"""Transcripts to a Triton response, and our errors to Triton's codes."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import triton_python_backend_utils as pb_utils

from auricle import wire
from auricle.errors import BusyError, InvalidRequestError
from auricle.serve.backend.outcomes import CancelledRequestError, Outcome, Utterance
from auricle.serve.segments import Segment
from auricle.serve.tokens import Alternative, Part, Token, Transcript, Word

ERROR_CODES: dict[type[Exception], str] = {
    InvalidRequestError: "INVALID_ARG",
    BusyError: "UNAVAILABLE",
    CancelledRequestError: "CANCELLED",
}


DIGITS = {"start": 3, "end": 3, "confidence": 4, "score": 4}

Describe = Callable[[], Sequence[str]]  # the texts of an output, written only if it is wanted


def pack(outcome: Outcome, model: str, names: Sequence[str]) -> pb_utils.InferenceResponse:
    """The response to one request: the outputs in names, [B, 1] each, or its error."""
    if outcome.error:
        return pack_error(outcome.error)
    heard = outcome.utterances
    outputs: dict[str, Describe] = {
        wire.TRANSCRIPTS.name: lambda: [utterance.transcript.text for utterance in heard],
        wire.RESULT.name: lambda: [format_result(utterance, model) for utterance in heard],
    }
    return pack_texts(outputs, names)


def pack_error(error: Exception) -> pb_utils.InferenceResponse:
    code = getattr(pb_utils.TritonError, status_of(error))
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))


def pack_texts(outputs: Mapping[str, Describe], names: Sequence[str]) -> pb_utils.InferenceResponse:
    return pb_utils.InferenceResponse(
        [_bytes_tensor(name, describe()) for name, describe in outputs.items() if name in names]
    )


def format_result(utterance: Utterance, model: str) -> str:
    """RESULT: final segments, one over the whole audio where its parts are not known.

    What is unknown is null.
    """
    transcript, seconds = utterance.transcript, round(utterance.seconds, 3)
    parts = transcript.parts
    if parts is None:
        parts = (Part(0.0, seconds, transcript),)
    result = {
        "model": model,
        "text": transcript.text,
        "language": transcript.language,
        "tags": dataclasses.asdict(transcript.tags) if transcript.tags else None,
        "audio_seconds": seconds,
        "is_final": True,
        "stable": transcript.text,
        "delta": transcript.text,
        "segments": [
            describe_segment(Segment(number, part.start, part.end, is_final=True), part.transcript)
            for number, part in enumerate(parts)
        ],
    }
    return json.dumps(result, ensure_ascii=False)


def describe_segment(segment: Segment, transcript: Transcript) -> dict[str, object]:
    """One of RESULT's segments; transcript: of its tokens."""
    return {
        "id": segment.id,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": transcript.text,
        "final": segment.is_final,
        "endpoint": segment.endpoint,
        "tokens": [_rounded(token) for token in transcript.tokens],
        "words": [_rounded(word) for word in transcript.words],
        "nbest": _describe_nbest(transcript),
    }


def _describe_nbest(transcript: Transcript) -> list[dict[str, str | float | None]] | None:
    return None if transcript.nbest is None else list(map(_rounded, transcript.nbest))


def status_of(error: Exception | None) -> str:
    """Triton's code of an error, or ok."""
    if error is None:
        return "ok"
    codes = (code for kind, code in ERROR_CODES.items() if isinstance(error, kind))
    return next(codes, "INTERNAL")


def _bytes_tensor(name: str, texts: Sequence[str]) -> pb_utils.Tensor:
    rows = [[text.encode("utf-8")] for text in texts]
    return pb_utils.Tensor(name, np.array(rows, dtype=np.object_))


def _rounded(value: Token | Word | Alternative) -> dict[str, str | float | None]:
    """Seconds to the millisecond, confidences to four digits."""
    return {  # not dataclasses.asdict, which takes three times as long
        name: round(field, DIGITS[name]) if isinstance(field, float) else field
        for name, field in vars(value).items()
    }
