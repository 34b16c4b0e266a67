"""A Triton request to waveforms and options, or a sentence that says why not."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import triton_python_backend_utils as pb_utils

from auricle import wire
from auricle.serve.backend.outcomes import CancelledRequestError, UnfitRequestError
from auricle.serve.backend.parameters import Menu
from auricle.serve.backend.values import Value
from auricle.serve.options import DecodingOptions
from auricle.serve.planning import Waveform
from auricle.serve.runner import Array
from auricle.spec import Choices, PipelineSpec

NUMBERS = {wire.ASR_LANGUAGE: wire.LANGUAGE, wire.ASR_TEXT_NORM: wire.TEXT_NORM}


@dataclass(frozen=True)
class Limits:
    """sample_rate in Hz.

    chosen_seconds: of audio in one utterance, as config.pbtxt says by the name of setting.
    graph_seconds: what the graph can take at all, or None.  remedy: what to do with more.
    """

    sample_rate: int
    chosen_seconds: float
    graph_seconds: float | None = None
    remedy: str = "cut it at pauses"
    setting: str = "max_audio_seconds"

    @property
    def max_seconds(self) -> float:
        return min(self.chosen_seconds, self.graph_seconds or self.chosen_seconds)

    @property
    def reason(self) -> str:
        """Where the bound comes from."""
        if self.graph_seconds is not None and self.graph_seconds <= self.chosen_seconds:
            return "its graph has no positions beyond, and no setting adds any"
        return f"{self.setting} in config.pbtxt"


@dataclass(frozen=True)
class Bounds:
    """Of what is heard whole, and of what may be cut where nobody speaks."""

    whole: Limits
    cut: Limits

    def of(self, options: DecodingOptions) -> Limits:
        return self.whole if options.speech is None else self.cut


def bounds_of(spec: PipelineSpec, choices: Choices) -> Bounds:
    rate = spec.sample_rate
    remedy = Limits.remedy if spec.vad is None else f"{Limits.remedy}, or ask for {wire.ASR_VAD}"
    whole = Limits(rate, choices.max_audio_seconds, spec.max_seconds, remedy)
    longest = choices.max_vad_seconds if spec.vad else choices.max_audio_seconds
    parts = Limits(rate, longest, remedy="send it in parts", setting="max_vad_seconds")
    return Bounds(whole, parts)


@dataclass(frozen=True)
class Asked:
    """The utterances of a request, and what is wanted of each."""

    waveforms: list[Waveform]
    options: list[DecodingOptions]


def unpack(request: pb_utils.InferenceRequest, bounds: Bounds, menu: Menu) -> Asked:
    """The utterances of a request, cut to their lengths.

    UnfitRequestError if one of them cannot be served, CancelledRequestError if nobody waits.
    """
    check_waited_for(request)
    rows = read_rows(request)
    options = _options(request, read_parameters(request), len(rows), menu)
    waveforms = [
        _cut(row, length, bounds.of(asked))
        for (row, length), asked in zip(rows, options, strict=True)
    ]
    return Asked(waveforms, options)


def check_waited_for(request: pb_utils.InferenceRequest) -> None:
    """CancelledRequestError if nobody waits."""
    if request.is_cancelled():
        raise CancelledRequestError("cancelled by the client")


def read_parameters(request: pb_utils.InferenceRequest) -> dict[str, Value]:
    """All of the request's, also those that are not ours."""
    parameters: dict[str, Value] = json.loads(request.parameters() or "{}")
    return parameters


def read_rows(request: pb_utils.InferenceRequest) -> list[tuple[Waveform, int]]:
    """The rows of WAV, and how many samples of each count."""
    wav = _input(request, wire.WAV.name)
    if wav is None:
        raise UnfitRequestError("missing_input", "the request has no input WAV")
    lens = _column(request, wire.WAV_LENS, len(wav)) or [wav.shape[1]] * len(wav)
    return list(zip(wav, lens, strict=True))


def id_of(request: pb_utils.InferenceRequest) -> str:
    """What the caller named it; over HTTP, Triton hands on what is no UTF-8."""
    try:
        return str(request.request_id())
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "replace")


def _input(request: pb_utils.InferenceRequest, name: str) -> Array | None:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


def _column(
    request: pb_utils.InferenceRequest, tensor: wire.Tensor, num_rows: int
) -> list[int] | None:
    """The numbers of an input, one a row of WAV; None where the request has none."""
    values = _values(request, tensor, num_rows)
    return None if values is None else [int(value) for value in values]


def _texts(
    request: pb_utils.InferenceRequest, tensor: wire.Tensor, num_rows: int
) -> list[str] | None:
    """The texts of an input, one a row of WAV; None where the request has none."""
    values = _values(request, tensor, num_rows)
    return None if values is None else [bytes(each).decode("utf-8", "replace") for each in values]


def _values(request: pb_utils.InferenceRequest, tensor: wire.Tensor, num_rows: int) -> Array | None:
    values = _input(request, tensor.name)
    if values is None:
        return None
    if values.size != num_rows:
        raise UnfitRequestError(
            "lengths", f"WAV has {num_rows} rows, but {tensor.name} has {values.size}"
        )
    return values.reshape(-1)


def _options(
    request: pb_utils.InferenceRequest, parameters: Mapping[str, Value], num_rows: int, menu: Menu
) -> list[DecodingOptions]:
    """What each utterance is to get; a parameter stands over the tensors of old clients."""
    found = {name: _column(request, tensor, num_rows) for name, tensor in NUMBERS.items()}
    columns: dict[str, Sequence[Value]] = {
        name: values for name, values in found.items() if values is not None
    }
    if texts := _texts(request, wire.TEXT_PREFIX, num_rows):
        columns[wire.ASR_PREFIX] = texts
    if not columns:
        return [menu.read(parameters)] * num_rows
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return [menu.read({**row, **parameters}) for row in rows]


def _cut(row: Waveform, length: int, limits: Limits) -> Waveform:
    if length == 0:
        raise UnfitRequestError("empty", "the audio is empty: 0 samples")
    return cut(row, length, limits)


def cut(row: Waveform, length: int, limits: Limits) -> Waveform:
    """The samples that count, which may be none; UnfitRequestError if they cannot be served."""
    if not 0 <= length <= len(row):
        raise UnfitRequestError("lengths", f"WAV_LENS is {length}, but WAV has {len(row)} samples")
    seconds = length / limits.sample_rate
    if seconds > limits.max_seconds:
        raise UnfitRequestError(
            "too_long",
            f"the audio is {seconds:.1f} s ({length} samples), but this model takes at most "
            f"{limits.max_seconds:g} s ({limits.reason}); {limits.remedy}",
        )
    samples = row[:length]
    # One pass: NaN fails the comparison, infinity exceeds it.
    peak = max(-float(samples.min(initial=0)), float(samples.max(initial=0)))
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
