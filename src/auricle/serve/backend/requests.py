"""A Triton request to waveforms, or a sentence that says why not."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import json
from dataclasses import dataclass

import numpy as np
import triton_python_backend_utils as pb_utils

from auricle import wire
from auricle.serve.backend.outcomes import CancelledRequestError, UnfitRequestError
from auricle.serve.planning import Waveform
from auricle.serve.runner import Array

KNOWN_PARAMETERS = (wire.SAMPLE_RATE,)


@dataclass(frozen=True)
class Limits:
    """sample_rate in Hz; max_seconds of audio in one utterance."""

    sample_rate: int
    max_seconds: float


def unpack(request: pb_utils.InferenceRequest, limits: Limits) -> list[Waveform]:
    """The utterances of a request, cut to their lengths.

    UnfitRequestError if one of them cannot be served, CancelledRequestError if nobody waits.
    """
    if request.is_cancelled():
        raise CancelledRequestError("cancelled by the client")
    _check_parameters(json.loads(request.parameters() or "{}"), limits.sample_rate)
    wav = _input(request, wire.WAV.name)
    if wav is None:
        raise UnfitRequestError("missing_input", "the request has no input WAV")
    lens = _input(request, wire.WAV_LENS.name)
    num_samples = wav.shape[1]
    valid = np.full(len(wav), num_samples) if lens is None else lens.reshape(-1)
    if len(valid) != len(wav):
        raise UnfitRequestError(
            "lengths", f"WAV has {len(wav)} rows, but WAV_LENS has {len(valid)}"
        )
    return [_cut(row, int(length), limits) for row, length in zip(wav, valid, strict=True)]


def _input(request: pb_utils.InferenceRequest, name: str) -> Array | None:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


def _check_parameters(parameters: dict[str, str | int | bool], sample_rate: int) -> None:
    asked = {name: value for name, value in parameters.items() if name.startswith("asr_")}
    unknown = sorted(set(asked) - set(KNOWN_PARAMETERS))
    if unknown:
        raise UnfitRequestError(
            "unknown_parameter",
            f"unknown request parameters {unknown}; this model knows {', '.join(KNOWN_PARAMETERS)}",
        )
    rate = asked.get(wire.SAMPLE_RATE, sample_rate)
    if str(rate).removesuffix(".0") != str(sample_rate):  # a number of any type, or its text
        raise UnfitRequestError(
            "sample_rate",
            f"{wire.SAMPLE_RATE} is {rate} Hz, but this model needs {sample_rate} Hz; "
            "resample before sending: the server never does",
        )


def _cut(row: Waveform, length: int, limits: Limits) -> Waveform:
    if not 0 <= length <= len(row):
        raise UnfitRequestError("lengths", f"WAV_LENS is {length}, but WAV has {len(row)} samples")
    if length == 0:
        raise UnfitRequestError("empty", "the audio is empty: 0 samples")
    seconds = length / limits.sample_rate
    if seconds > limits.max_seconds:
        raise UnfitRequestError(
            "too_long",
            f"the audio is {seconds:.1f} s ({length} samples), but this model takes at most "
            f"{limits.max_seconds:g} s (max_audio_seconds in config.pbtxt); cut it at pauses",
        )
    samples = row[:length]
    # One pass: NaN fails the comparison, infinity exceeds it.
    peak = max(-float(samples.min()), float(samples.max()))
    if not peak <= wire.MAX_ABS_SAMPLE:
        raise UnfitRequestError("amplitude", _amplitude_error(peak))
    return samples


def _amplitude_error(peak: float) -> str:
    if not np.isfinite(peak):
        return "WAV has samples that are NaN or infinite"
    return (
        f"WAV has a sample of magnitude {peak:g}, expected [-1, 1]: "
        "it looks like int16 scale; divide by 32768"
    )
