"""Ports of a graph -> a batch for it: speech, its lengths, first states, what is asked beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from auricle.build.export.speech import Waveform
from auricle.errors import CheckpointError

Array: TypeAlias = npt.NDArray[np.generic]

DTYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
SPEECH = ("WAV", "CHUNK")


@dataclass(frozen=True)
class Port:
    """An input as ONNX Runtime tells it; a dimension that is no number is free."""

    name: str
    dtype: type[np.generic]
    shape: tuple[int | str | None, ...]


OFFLINE_PORTS = (Port("WAV", np.float32, ("N", "L")), Port("WAV_LENS", np.int32, ("N",)))


@dataclass(frozen=True)
class Speech:
    """What is said to a graph: `seconds` in each row, where the graph does not fix the length.

    hop_s: seconds that a step of a stream goes on by; None for whole utterances.
    beside: the numbers of what is asked, by the names of inputs; without one, 0.
    """

    waveforms: Sequence[Waveform]
    seconds: float
    sample_rate: int = 16000
    hop_s: float | None = None
    beside: Mapping[str, int] = field(default_factory=dict)
    seed: int = 1

    def rows(self, count: int, num_samples: int) -> Waveform:
        """float32 [count, num_samples]: the audio again and again, from places drawn by seed."""
        joined = np.concatenate(self.waveforms)
        starts = np.random.default_rng(self.seed).integers(0, len(joined), count)
        return np.stack([np.resize(np.roll(joined, -start), num_samples) for start in starts])


def read_ports(session: ort.InferenceSession) -> tuple[Port, ...]:
    """CheckpointError where an input is of numbers that no batch is made of here."""
    unknown = [one for one in session.get_inputs() if one.type not in DTYPES]
    if unknown:
        raise CheckpointError(
            f"input {unknown[0].name} is a {unknown[0].type}; known: {', '.join(DTYPES)}"
        )
    return tuple(Port(one.name, DTYPES[one.type], tuple(one.shape)) for one in session.get_inputs())


def make_inputs(ports: Sequence[Port], batch: int, speech: Speech) -> dict[str, Array]:
    """By name; a free axis behind the batch is 1, and of audio, its samples."""
    asked = round(speech.seconds * speech.sample_rate)
    fixed = (port.shape[1] for port in ports if port.name in SPEECH)
    num_samples = next((dim for dim in fixed if isinstance(dim, int)), asked)
    inputs: dict[str, Array] = {}
    for port in ports:
        if port.name in SPEECH:
            inputs[port.name] = speech.rows(batch, num_samples).astype(port.dtype)
            continue
        number = num_samples if port.name == "WAV_LENS" else speech.beside.get(port.name, 0)
        shape = (batch, *(dim if isinstance(dim, int) else 1 for dim in port.shape[1:]))
        inputs[port.name] = np.full(shape, number, port.dtype)
    return inputs


def seconds_of(inputs: Mapping[str, Array], speech: Speech) -> float | None:
    """Of audio that each row brings; None of a stream whose hop nobody states."""
    if "CHUNK" in inputs:
        return speech.hop_s
    return inputs["WAV"].shape[1] / speech.sample_rate if "WAV" in inputs else None
