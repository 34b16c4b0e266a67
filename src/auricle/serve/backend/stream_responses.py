"""What a stream says, as a Triton response."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import triton_python_backend_utils as pb_utils

from auricle import wire
from auricle.serve.backend.outcomes import StreamOutcome
from auricle.serve.backend.responses import Describe, describe_segment, pack_error, pack_texts
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.stream import Partial
from auricle.serve.tokens import Transcript

Transcribe = Callable[[Hypothesis], Transcript]


def pack(
    outcome: StreamOutcome, model: str, transcribe: Transcribe, names: Sequence[str]
) -> pb_utils.InferenceResponse:
    """The response to one chunk: the outputs in names, [1, 1] each, or its error."""
    partial = outcome.partial
    if outcome.error or partial is None:
        return pack_error(outcome.error or AssertionError("a chunk has a partial or an error"))
    outputs: dict[str, Describe] = {
        wire.TRANSCRIPTS.name: lambda: [partial.text],
        wire.RESULT.name: lambda: [format_partial(partial, model, transcribe)],
    }
    return pack_texts(outputs, names)


def format_partial(partial: Partial, model: str, transcribe: Transcribe) -> str:
    """RESULT: the text so far, and the segments that ended now or are open. Unknown is null."""
    result = {
        "model": model,
        "text": partial.text,
        "language": None,
        "tags": None,
        "audio_seconds": round(partial.seconds, 3),
        "is_final": partial.is_final,
        "stable": partial.text,
        "delta": partial.delta,
        "segments": [
            describe_segment(segment, replace(transcribe(segment.hypothesis), nbest=segment.nbest))
            for segment in partial.segments
        ],
    }
    return json.dumps(result, ensure_ascii=False)
