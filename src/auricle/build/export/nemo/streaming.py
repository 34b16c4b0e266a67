"""NeMo's cache-aware encoders in the form of other streaming ones.

A window of NeMo's is the new frames behind a few old ones, of which the graph drops the first it
makes. Here the old frames are a state like the others, zeros before the first window, as NeMo
itself has it (CacheAwareStreamingAudioBuffer with pad_and_drop_preencoded); so a window is only
the new frames, and nothing of the stream's beginning is lost.
"""

import onnx

from auricle.build.export.graph import Graph, Port
from auricle.build.export.heads import value_info
from auricle.build.export.nemo.published import (
    FRAMES_FIRST,
    PREFIX,
    add_frames_out,
    channels,
    rewrap,
)
from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError

# As sherpa-onnx's scripts/nemo/fast-conformer-hybrid-transducer-ctc/export-onnx-ctc.py writes it.
WINDOW, SHIFT = "window_size", "chunk_shift"
CACHES = ("cache_last_channel", "cache_last_time")


def new_frames_only(graph: Graph, *, is_ctc: bool) -> Graph:
    """Gives log_probs [N, T', V] or encoder_out [N, T', D] of x [N, chunk, F], with states.

    CheckpointError where the metadata does not say what a window is.
    """
    audio, length, *caches, cache_len = graph.inputs
    window, chunk = (_read(graph, key) for key in (WINDOW, SHIFT))
    if chunk >= window:
        raise CheckpointError(
            f"{graph.path.name} has {WINDOW} {window} and {SHIFT} {chunk}: expected a window of a "
            "shift and the frames before it"
        )
    front, back = Nodes("in/"), Nodes("out/")
    frames = front.add("Concat", "pre_encode_cache", "x", axis=1)  # [N, window, F]
    front.name(front.add("Transpose", frames, perm=FRAMES_FIRST), PREFIX + audio.name)
    batch = front.count_rows("x")
    lens = front.add("Expand", front.ints([window]), batch)
    front.name(front.add("Cast", lens, to=length.dtype), PREFIX + length.name)
    ends = front.ints([chunk]), front.ints([window]), front.ints([1])
    front.name(front.add("Slice", frames, *ends), "new_pre_encode_cache")

    values = [_state(port, _cache_shape(graph, port, name)) for port, name in zip(
        caches, CACHES, strict=True)]  # fmt: skip
    values.append(_state(cache_len, ("N",)))
    for value, new in zip(values, graph.outputs[2:], strict=True):
        front.name(value.name, PREFIX + value.name.removeprefix("state/"))
        back.name(PREFIX + new.name, f"new_{value.name}")
    old = value_info("pre_encode_cache", audio.dtype, "N", window - chunk, channels(audio))
    output = add_frames_out(back, graph.outputs[0], is_ctc=is_ctc)
    states = [old, *values]
    return rewrap(
        graph,
        (front, back),
        [value_info("x", audio.dtype, "N", chunk, channels(audio)), *states],
        [output, *map(_following, states)],
        {"decode_chunk_len": str(chunk)},
    )


def _state(port: Port, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return value_info(f"state/{port.name}", port.dtype, *shape)


def _following(state: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    value = onnx.ValueInfoProto()
    value.CopyFrom(state)
    value.name = f"new_{state.name}"
    return value


def _cache_shape(graph: Graph, port: Port, name: str) -> tuple[int | str, ...]:
    """Batch first; NeMo leaves the time axis open, which its exporter's metadata states."""
    stated = [graph.metadata.get(f"{name}_dim{axis}") for axis in (1, 2, 3)]
    sizes = [
        int(text) if text and text.isdecimal() else dim
        for text, dim in zip(stated, port.shape[1:], strict=True)
    ]
    if all(isinstance(size, int) for size in sizes):
        return "N", *(size for size in sizes if size is not None)
    raise CheckpointError(
        f"{graph.path.name} does not say how large {port} is; add {name}_dim1 to {name}_dim3 to "
        f"its metadata, as sherpa-onnx's export scripts do; seen:\n{graph.describe()}"
    )


def _read(graph: Graph, key: str) -> int:
    """A number of the metadata."""
    text = graph.metadata.get(key, "")
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise CheckpointError(
        f"{graph.path.name} has {key} {text!r}, expected a number of feature frames: add "
        f"{WINDOW} and {SHIFT} to its metadata, as sherpa-onnx's export scripts do; "
        f"seen:\n{graph.describe()}"
    )
