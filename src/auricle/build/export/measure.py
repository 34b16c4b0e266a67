"""Facts that a graph shows only when it runs: sizes, the frame rate, the longest input."""

import numpy as np
from onnx import helper

from auricle.build.export.graph import Graph, Port
from auricle.build.export.served import ServedEncoder
from auricle.build.export.session import Array, Session
from auricle.errors import CheckpointError

LONGEST_SECONDS = 60  # longer requests are refused by default, so nothing beyond is tried
STEPS_PER_SECOND = 100  # feature frames
SAMPLE_FRAMES = 64


def output_size(graph: Graph, output: int = 0) -> int:
    """The last axis of an output; scripted exports state a meaningless symbol there."""
    port = graph.outputs[output]
    stated = port.shape[-1] if port.shape else None
    if isinstance(stated, int):
        return stated
    batch = graph.inputs[0].shape[0]
    values = Session(graph.model).run({port.name: _sample(port, batch) for port in graph.inputs})
    return int(values[port.name].shape[-1])


def _sample(port: Port, batch: int | str | None) -> Array:
    """One row: features, their length, a context, a frame, or a state.

    batch: what the graph calls that axis.
    """
    dtype = helper.tensor_dtype_to_np_dtype(port.dtype)
    if len(port.shape) == 1:
        return np.full(1, SAMPLE_FRAMES, dtype)
    sizes = []
    for axis, dim in enumerate(port.shape):
        is_batch = axis == 0 or dim == batch is not None
        sizes.append(dim if isinstance(dim, int) else 1 if is_batch else SAMPLE_FRAMES)
    return np.zeros(sizes, dtype)


def seconds_per_frame(encoder: ServedEncoder, sample_rate: int) -> float:
    """Seconds of audio per output frame, from the frames that 6 more seconds bring."""
    short, long = (
        int(encoder.run([np.zeros(seconds * sample_rate, np.float32)])["OUT_LENS"][0])
        for seconds in (1, 7)
    )
    return round(6 / (long - short), 6)


def max_seconds(encoder: ServedEncoder, sample_rate: int) -> float | None:
    """The longest audio that the graph takes, to the frame; None if a minute runs.

    A table of positions caps some exports, which say so nowhere and fail in a Reshape.
    """
    step = sample_rate // STEPS_PER_SECOND
    fits, fails = 0, LONGEST_SECONDS * STEPS_PER_SECOND
    if _takes(encoder, fails * step):
        return None
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if _takes(encoder, middle * step):
            fits = middle
        else:
            fails = middle
    return fits / STEPS_PER_SECOND


def table_seconds(
    encoder: ServedEncoder, sample_rate: int, seconds_per_frame: float, table_lengths: list[int]
) -> float | None:
    """Where a table of positions ends, beyond the minute that max_seconds tries; None if nowhere.

    Only a length that fails is run, which ends at the table; one that fits takes gigabytes.
    """
    audio = np.zeros(10 * sample_rate, np.float32)
    num_frames = max(values.shape[1] for values in encoder.run([audio]).values() if values.ndim > 1)
    for length in table_lengths:
        for rate in (2, 1):  # zipformer's first stack has twice the frames of its output
            seconds = 10 + (length / rate - num_frames) * seconds_per_frame
            if seconds > 10 and not _takes(encoder, int((seconds + 1) * sample_rate)):
                return float(np.floor(seconds * STEPS_PER_SECOND) / STEPS_PER_SECOND)
    return None


def _takes(encoder: ServedEncoder, num_samples: int) -> bool:
    try:
        encoder.run([np.zeros(num_samples, np.float32)])
    except CheckpointError:
        return False
    return True
