"""Streaming encoders of a few kilobytes whose states hold several layers each."""

import onnx
from onnx import TensorProto, helper

from auricle.build.frontend.nodes import Nodes
from tests.build import tiny
from tests.build.tiny_streaming import CHUNK, DIM, HOP, KERNEL, LEFT, WINDOW, States, add_window


def make_zipformer() -> onnx.ModelProto:
    """Zipformer's of 2022: states of a stack of two layers each, and lengths as whole numbers."""
    nodes = Nodes("")
    states: States = {
        "cached_len_0": (TensorProto.INT64, (2, "N")),
        "cached_avg_0": (TensorProto.FLOAT, (2, "N", DIM)),
        "cached_key_0": (TensorProto.FLOAT, (2, LEFT, "N", DIM)),
        "cached_conv1_0": (TensorProto.FLOAT, (2, "N", DIM, KERNEL)),
    }
    means = {name: _mean(nodes, name) for name in states}
    caches = {
        "cached_key_0": means["cached_key_0"],
        "cached_nonlin_attn_0": nodes.add("Unsqueeze", means["cached_avg_0"], nodes.ints([0, 2])),
        "cached_conv1_0": means["cached_conv1_0"],
        "processed_lens": means["cached_len_0"],
    }
    frames, following = add_window(nodes, "x", caches, 0)
    average = nodes.add("ReduceMean", following["cached_nonlin_attn_0"], axes=[0, 2], keepdims=0)
    changed = {
        "cached_len_0": following["processed_lens"],
        "cached_avg_0": average,
        "cached_key_0": following["cached_key_0"],
        "cached_conv1_0": following["cached_conv1_0"],
    }
    for name, value in changed.items():
        _name_layers(nodes, (value, means[name]), states[name][0], f"new_{name}")
    weights = nodes.floats(tiny.weights(DIM, tiny.JOINER_DIM))
    nodes.name(nodes.add("MatMul", frames, weights), "encoder_out")
    return _icefall(nodes, states, (WINDOW, HOP), CHUNK)


def make_lstm() -> onnx.ModelProto:
    """icefall's LSTM: a frame a window, and two states of other widths."""
    nodes = Nodes("")
    states: States = {
        "state0": (TensorProto.FLOAT, (2, "N", DIM)),
        "state1": (TensorProto.FLOAT, (2, "N", 2 * DIM)),
    }
    means = [_mean(nodes, name) for name in states]
    frames = []
    for seed, first in enumerate((0, 8)):
        frame = nodes.add("Gather", "x", nodes.ints(first), axis=1)  # [N, 80]
        weights = nodes.floats(tiny.weights(tiny.NUM_MEL_BINS, DIM, seed))
        frames.append(nodes.add("MatMul", frame, weights))
    narrow = nodes.add("MatMul", means[1], nodes.floats(tiny.weights(2 * DIM, DIM)))
    hidden = nodes.add("Tanh", nodes.add("Sum", *frames, means[0], narrow))
    cell = nodes.add("Concat", hidden, means[0], axis=1)
    for name, value, mean in zip(states, (hidden, cell), means, strict=True):
        _name_layers(nodes, (value, mean), TensorProto.FLOAT, f"new_{name}")
    frame = nodes.add("Unsqueeze", hidden, nodes.ints([1]))
    weights = nodes.floats(tiny.weights(DIM, tiny.JOINER_DIM))
    nodes.name(nodes.add("MatMul", frame, weights), "encoder_out")
    return _icefall(nodes, states, (9, 4), 1)


def _mean(nodes: Nodes, layers: str) -> str:
    return nodes.add(
        "ReduceMean", nodes.add("Cast", layers, to=TensorProto.FLOAT), axes=[0], keepdims=0
    )


def _name_layers(nodes: Nodes, layers: tuple[str, str], dtype: int, name: str) -> None:
    parts = [nodes.add("Unsqueeze", layer, nodes.ints([0])) for layer in layers]
    joined = nodes.add("Concat", *parts, axis=0)
    nodes.name(nodes.add("Cast", joined, to=dtype), name)


def _icefall(
    nodes: Nodes, states: States, window: tuple[int, int], num_frames: int
) -> onnx.ModelProto:
    """window: its feature frames, and those from one to the next."""
    made = tiny.model(
        nodes,
        [
            tiny.value("x", TensorProto.FLOAT, "N", window[0], tiny.NUM_MEL_BINS),
            *(tiny.value(name, dtype, *shape) for name, (dtype, shape) in states.items()),
        ],
        [
            tiny.value("encoder_out", TensorProto.FLOAT, "N", num_frames, tiny.JOINER_DIM),
            *(tiny.value(f"new_{name}", dtype, *shape) for name, (dtype, shape) in states.items()),
        ],
    )
    helper.set_model_props(made, {"decode_chunk_len": str(window[1]), "T": str(window[0])})
    return made
