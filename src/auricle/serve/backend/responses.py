"""Transcripts to a Triton response, and our errors to Triton's codes."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import triton_python_backend_utils as pb_utils

from auricle import wire
from auricle.errors import BusyError, InvalidRequestError
from auricle.serve.backend.outcomes import CancelledRequestError, Outcome, Utterance

ERROR_CODES: dict[type[Exception], str] = {
    InvalidRequestError: "INVALID_ARG",
    BusyError: "UNAVAILABLE",
    CancelledRequestError: "CANCELLED",
}


def pack(outcome: Outcome, model: str, names: Sequence[str]) -> pb_utils.InferenceResponse:
    """The response to one request: the outputs in names, [B, 1] each, or its error."""
    if outcome.error:
        code = getattr(pb_utils.TritonError, status_of(outcome.error))
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(outcome.error), code))
    tensors = []
    if wire.TRANSCRIPTS.name in names:
        texts = [utterance.transcript.text for utterance in outcome.utterances]
        tensors.append(_bytes_tensor(wire.TRANSCRIPTS.name, texts))
    if wire.RESULT.name in names:
        results = [format_result(utterance, model) for utterance in outcome.utterances]
        tensors.append(_bytes_tensor(wire.RESULT.name, results))
    return pb_utils.InferenceResponse(tensors)


def format_result(utterance: Utterance, model: str) -> str:
    """RESULT: one final segment over the whole audio. What is unknown is null."""
    transcript, seconds = utterance.transcript, round(utterance.seconds, 3)
    segment = {
        "id": 0,
        "start": 0.0,
        "end": seconds,
        "text": transcript.text,
        "final": True,
        "endpoint": None,
        "tokens": [_rounded(token) for token in transcript.tokens],
        "words": [_rounded(word) for word in transcript.words],
        "nbest": None,
    }
    result = {
        "model": model,
        "text": transcript.text,
        "language": transcript.language,
        "tags": dataclasses.asdict(transcript.tags) if transcript.tags else None,
        "audio_seconds": seconds,
        "is_final": True,
        "stable": transcript.text,
        "delta": transcript.text,
        "segments": [segment],
    }
    return json.dumps(result, ensure_ascii=False)


def status_of(error: Exception | None) -> str:
    """Triton's code of an error, or ok."""
    if error is None:
        return "ok"
    codes = (code for kind, code in ERROR_CODES.items() if isinstance(error, kind))
    return next(codes, "INTERNAL")


def _bytes_tensor(name: str, texts: Sequence[str]) -> pb_utils.Tensor:
    rows = [[text.encode("utf-8")] for text in texts]
    return pb_utils.Tensor(name, np.array(rows, dtype=np.object_))


def _rounded(value: object) -> dict[str, str | float | None]:
    """Seconds to the millisecond, confidences to four digits."""
    fields: dict[str, str | float | None] = dataclasses.asdict(value)  # type: ignore[call-overload]
    digits = {"start": 3, "end": 3, "confidence": 4}
    return {
        name: round(field, digits[name]) if isinstance(field, float) else field
        for name, field in fields.items()
    }
