"""Cache-aware streaming exports of NeMo's with sherpa-onnx's metadata, of a few kilobytes.

A window of 41 frames gives 6, of which the first two are dropped, as they saw no past. A layer
adds the mean of all that its channel cache holds, and convolves over its time cache.
"""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from auricle.build.frontend.nodes import Nodes
from tests.build.tiny import value, weights
from tests.build.tiny_nemo import (
    DIM,
    HIDDEN,
    LAYERS,
    VOCAB_SIZE,
    add_classes,
    deafen,
    halve,
    make_decoder_joint,
    make_model,
    write_tokens,
)

CHUNK, BEFORE, DROPPED, HALVINGS = 32, 9, 2, 3
LEFT, CONV = 7, 3  # frames that the caches hold
METADATA = {
    "vocab_size": VOCAB_SIZE - 1,
    "window_size": CHUNK + BEFORE,
    "chunk_shift": CHUNK,
    "subsampling_factor": 8,
    "normalize_type": "NA",
    "cache_last_channel_dim1": LAYERS,
    "cache_last_channel_dim2": LEFT,
    "cache_last_channel_dim3": DIM,
    "cache_last_time_dim1": LAYERS,
    "cache_last_time_dim2": DIM,
    "cache_last_time_dim3": CONV,
    "pred_rnn_layers": LAYERS,
    "pred_hidden": HIDDEN,
}


def write_ctc(folder: Path, *, is_deaf: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(make_encoder(is_ctc=True, is_deaf=is_deaf), folder / "model.onnx")
    return write_tokens(folder, "tokens.txt")


def write_transducer(folder: Path, num_durations: int = 0) -> Path:
    """As NeMo exports it, decoder and joint network in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(make_encoder(is_ctc=False), folder / "encoder-model.onnx")
    onnx.save(make_decoder_joint(num_durations), folder / "decoder_joint-model.onnx")
    return write_tokens(folder, "tokens.txt")


def make_encoder(*, is_ctc: bool, is_deaf: bool = False) -> onnx.ModelProto:
    """audio_signal [B, F, T], length [B], caches -> logprobs or outputs, lengths, new caches."""
    nodes = Nodes("")
    frames = nodes.add("Transpose", "audio_signal", perm=[0, 2, 1])
    frames = nodes.add("MatMul", frames, nodes.floats(0.1 * weights(80, DIM)))
    if is_deaf:
        frames = deafen(nodes, frames)
    for number in range(HALVINGS):
        frames = halve(nodes, frames, number, looks_back=True)
    ends = nodes.ints([DROPPED]), nodes.ints([1 << 30]), nodes.ints([1])
    frames = nodes.add("Slice", frames, *ends)
    width = nodes.add("Slice", nodes.add("Shape", frames), nodes.ints([1]), nodes.ints([2]))
    channels, times = [], []
    for layer in range(LAYERS):
        frames, channel, time = _add_layer(nodes, frames, width, layer)
        channels.append(nodes.add("Unsqueeze", channel, nodes.ints([1])))
        times.append(nodes.add("Unsqueeze", time, nodes.ints([1])))
    nodes.name(nodes.add("Concat", *channels, axis=1), "cache_last_channel_next")
    nodes.name(nodes.add("Concat", *times, axis=1), "cache_last_time_next")
    held = nodes.add("Add", "cache_last_channel_len", width)
    nodes.name(nodes.add("Min", held, nodes.ints(LEFT)), "cache_last_channel_next_len")
    batch = nodes.add("Shape", "length")
    nodes.name(nodes.add("Expand", width, batch), "encoded_lengths")
    frames = nodes.add("Mul", frames, nodes.floats(2))
    if is_ctc:
        add_classes(nodes, frames)
        output = value("logprobs", TensorProto.FLOAT, "B", "T2", VOCAB_SIZE)
    else:
        nodes.name(nodes.add("Transpose", frames, perm=[0, 2, 1]), "outputs")
        output = value("outputs", TensorProto.FLOAT, "B", DIM, "T2")
    features = value("audio_signal", TensorProto.FLOAT, "B", 80, "T")
    lens = value("length", TensorProto.INT64, "B")
    out_lens = value("encoded_lengths", TensorProto.INT64, "B")
    metadata = {key: str(number) for key, number in METADATA.items()}
    return make_model(
        nodes, [features, lens, *_caches("")], [output, out_lens, *_caches("_next")], metadata
    )


def _caches(suffix: str) -> list[onnx.ValueInfoProto]:
    make = helper.make_tensor_value_info
    count = f"cache_last_channel{suffix}_len"
    return [
        make(f"cache_last_channel{suffix}", TensorProto.FLOAT, ["B", LAYERS, f"C{suffix}", DIM]),
        make(f"cache_last_time{suffix}", TensorProto.FLOAT, ["B", LAYERS, DIM, f"K{suffix}"]),
        make(count, TensorProto.INT64, ["B"]),
    ]


def _add_layer(nodes: Nodes, frames: str, width: str, layer: int) -> tuple[str, str, str]:
    """The layer's frames, and what its two caches hold then."""
    channel = _of_layer(nodes, "cache_last_channel", layer)  # [B, LEFT, D]
    age = nodes.ints(range(LEFT, 0, -1))  # the newest is the last
    held = nodes.add("Unsqueeze", "cache_last_channel_len", nodes.ints([1]))
    valid = nodes.add("LessOrEqual", age, held)
    past = nodes.add("Where", nodes.add("Unsqueeze", valid, nodes.ints([2])), channel,
                     nodes.floats(0))  # fmt: skip
    every = nodes.add("Concat", past, frames, axis=1)
    count = nodes.add("Cast", nodes.add("Add", held, width), to=TensorProto.FLOAT)
    total = nodes.add("ReduceSum", every, nodes.ints([1]), keepdims=1)
    mean = nodes.add("Div", total, nodes.add("Unsqueeze", count, nodes.ints([2])))
    mixed = nodes.add("MatMul", mean, nodes.floats(weights(DIM, DIM, 40 + layer)))
    mixed = nodes.add("Add", frames, mixed)
    time = nodes.add("Transpose", _of_layer(nodes, "cache_last_time", layer), perm=[0, 2, 1])
    line = nodes.add("Concat", time, mixed, axis=1)  # [B, CONV + T, D]
    summed = _convolve(nodes, line, layer)
    return (
        nodes.add("Tanh", summed),
        _last(nodes, nodes.add("Concat", channel, frames, axis=1), LEFT),
        nodes.add("Transpose", _last(nodes, line, CONV), perm=[0, 2, 1]),
    )


def _convolve(nodes: Nodes, line: str, layer: int) -> str:
    parts = []
    for tap in range(CONV + 1):
        end = tap - CONV or 1 << 30
        part = nodes.add("Slice", line, nodes.ints([tap]), nodes.ints([end]), nodes.ints([1]))
        kernel = nodes.floats(weights(1, DIM, 50 + 10 * layer + tap)[0])
        parts.append(nodes.add("Mul", part, kernel))
    summed = parts[0]
    for part in parts[1:]:
        summed = nodes.add("Add", summed, part)
    return summed


def _of_layer(nodes: Nodes, cache: str, layer: int) -> str:
    return nodes.add("Gather", cache, nodes.ints(layer), axis=1)


def _last(nodes: Nodes, line: str, count: int) -> str:
    return nodes.add("Slice", line, nodes.ints([-count]), nodes.ints([1 << 30]), nodes.ints([1]))
