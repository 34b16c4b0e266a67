"""Streaming encoders of a few kilobytes, whose every state matters to every output.

The frames of a window are those of tiny.py; to each are added the means of what came before, kept
in caches whose batch lies on other axes, and something of the number of frames done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from auricle.build.frontend.nodes import Nodes
from tests.build import tiny

CHUNK = 4  # frames of the output
HOP, WINDOW = 4 * CHUNK, 4 * CHUNK + 5  # feature frames
LEFT, KERNEL, DIM = 6, 3, tiny.DIM
WENET_WINDOW = 4 * CHUNK + 3
WENET_DIM = 144  # as the shipped decoder reads it
STATES = ("cached_key_0", "cached_nonlin_attn_0", "cached_conv1_0", "processed_lens")

States = dict[str, tuple[int, tuple[int | str, ...]]]  # name -> element type, shape


@dataclass(frozen=True)
class Encoder:
    """What varies between exports.

    state_dtype: of the caches.  count_dtype: of processed_lens.
    counts: whether the graph advances processed_lens.  positions: rows of a table that it reads by
    the frames done, all alike, 0 for none.  mark: before the name of a state's next value.
    """

    is_ctc: bool = False
    io_dtype: int = TensorProto.FLOAT
    state_dtype: int = TensorProto.FLOAT
    count_dtype: int = TensorProto.INT64
    counts: bool = True
    positions: int = 0
    mark: str = "new_"


def write_transducer(folder: Path, encoder: Encoder | onnx.ModelProto = Encoder()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stem = "epoch-30-avg-9-chunk-8-left-12.onnx"
    model = make_encoder(encoder) if isinstance(encoder, Encoder) else encoder
    onnx.save(model, folder / f"encoder-{stem}")
    onnx.save(tiny.make_decoder(), folder / f"decoder-{stem}")
    onnx.save(tiny.make_joiner(), folder / f"joiner-{stem}")
    return tiny.write_tokens(folder)


def write_ctc(folder: Path, encoder: Encoder = Encoder(is_ctc=True)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(make_encoder(encoder), folder / "ctc-epoch-30-avg-9-chunk-8-left-12.onnx")
    return tiny.write_tokens(folder)


def make_encoder(kind: Encoder) -> onnx.ModelProto:
    """icefall's: x [N, T, 80] and states -> encoder_out or log_probs [N, CHUNK, *], the next."""
    nodes = Nodes("")
    states = {
        "cached_key_0": (kind.state_dtype, (LEFT, "N", DIM)),
        "cached_nonlin_attn_0": (kind.state_dtype, (1, "N", LEFT, DIM)),
        "cached_conv1_0": (kind.state_dtype, ("N", DIM, KERNEL)),
        "processed_lens": (kind.count_dtype, ("N",)),
    }
    frames, following = add_window(nodes, "x", {name: name for name in states}, kind.positions)
    size = tiny.VOCAB_SIZE if kind.is_ctc else tiny.JOINER_DIM
    result = nodes.add("MatMul", frames, nodes.floats(tiny.weights(DIM, size)))
    output = "log_probs" if kind.is_ctc else "encoder_out"
    if kind.is_ctc:
        result = nodes.add("LogSoftmax", result, axis=2)
    nodes.name(nodes.add("Cast", result, to=kind.io_dtype), output)
    kept = {name: value for name, value in states.items() if kind.counts or "lens" not in name}
    for name, (dtype, _) in kept.items():
        nodes.name(nodes.add("Cast", following[name], to=dtype), kind.mark + name)
    made = tiny.model(
        nodes,
        [
            tiny.value("x", kind.io_dtype, "N", WINDOW, tiny.NUM_MEL_BINS),
            *(tiny.value(name, dtype, *shape) for name, (dtype, shape) in states.items()),
        ],
        [
            tiny.value(output, kind.io_dtype, "N", CHUNK, size),
            *(tiny.value(kind.mark + name, dtype, *shape) for name, (dtype, shape) in kept.items()),
        ],
    )
    metadata = {"model_type": "zipformer2", "decode_chunk_len": str(HOP), "T": str(WINDOW)}
    helper.set_model_props(made, metadata)
    return made


def make_wenet_encoder(beam: int | None = 10, positions: int = 0) -> onnx.ModelProto:
    """WeNet's, with the best tokens only, or with all log-probabilities (beam None).

    positions: as of Encoder.
    """
    nodes = Nodes("")
    states = {
        "offset": (TensorProto.INT64, ("B", 1)),
        "att_cache": (TensorProto.FLOAT, ("B", 2, LEFT, DIM)),
        "cnn_cache": (TensorProto.FLOAT, ("B", DIM, KERNEL)),
    }
    key = nodes.add("ReduceMean", "att_cache", axes=[1], keepdims=0)  # [B, LEFT, DIM]
    caches = {
        "cached_key_0": nodes.add("Transpose", key, perm=[1, 0, 2]),
        "cached_nonlin_attn_0": nodes.add("Unsqueeze", key, nodes.ints([0])),
        "cached_conv1_0": nodes.add("Identity", "cnn_cache"),
        "processed_lens": nodes.add("Squeeze", "offset", nodes.ints([1])),
    }
    wide = nodes.add("Pad", "chunk_xs", nodes.ints([0, 0, 0, 0, WINDOW - WENET_WINDOW, 0]))
    frames, following = add_window(nodes, wide, caches, positions)
    lens = nodes.add("Cast", "chunk_lens", to=TensorProto.FLOAT)
    share = nodes.add("Mul", lens, nodes.floats(1 / WENET_WINDOW))  # so that it matters
    frames = nodes.add("Mul", frames, nodes.add("Unsqueeze", share, nodes.ints([1, 2])))
    new_key = nodes.add("Transpose", following["cached_key_0"], perm=[1, 0, 2])
    new_nonlin = nodes.add("Squeeze", following["cached_nonlin_attn_0"], nodes.ints([0]))
    heads = [nodes.add("Unsqueeze", cache, nodes.ints([1])) for cache in (new_key, new_nonlin)]
    count = nodes.add("Unsqueeze", following["processed_lens"], nodes.ints([1]))
    nodes.name(nodes.add("Cast", count, to=TensorProto.INT64), "r_offset")
    nodes.name(nodes.add("Concat", *heads, axis=1), "r_att_cache")
    nodes.name(following["cached_conv1_0"], "r_cnn_cache")
    outputs = _add_wenet_outputs(nodes, frames, beam)
    return tiny.model(
        nodes,
        [
            tiny.value("chunk_xs", TensorProto.FLOAT, "B", WENET_WINDOW, tiny.NUM_MEL_BINS),
            tiny.value("chunk_lens", TensorProto.INT32, "B"),
            *(tiny.value(name, dtype, *shape) for name, (dtype, shape) in states.items()),
        ],
        [
            *outputs,
            *(tiny.value(f"r_{name}", dtype, *shape) for name, (dtype, shape) in states.items()),
        ],
    )


def _add_wenet_outputs(nodes: Nodes, frames: str, beam: int | None) -> list[onnx.ValueInfoProto]:
    scores = nodes.add("MatMul", frames, nodes.floats(tiny.weights(DIM, tiny.VOCAB_SIZE)))
    log_probs = nodes.add("LogSoftmax", scores, axis=2)
    wide = nodes.floats(tiny.weights(DIM, WENET_DIM))
    nodes.name(nodes.add("MatMul", frames, wide), "chunk_out")
    quotient = nodes.add("Floor", nodes.add("Mul", nodes.add("Cast", "chunk_lens", to=1),
                                            nodes.floats(0.25)))  # fmt: skip
    nodes.name(nodes.add("Cast", quotient, to=TensorProto.INT32), "chunk_out_lens")
    last = [
        tiny.value("chunk_out", TensorProto.FLOAT, "B", CHUNK, WENET_DIM),
        tiny.value("chunk_out_lens", TensorProto.INT32, "B"),
    ]
    if beam is None:
        nodes.name(log_probs, "ctc_log_probs")
        return [tiny.value("ctc_log_probs", 1, "B", CHUNK, tiny.VOCAB_SIZE), *last]
    best, ids = nodes.add_many("TopK", (log_probs, nodes.ints([beam])), 2, axis=2)
    nodes.name(best, "log_probs")
    nodes.name(ids, "log_probs_idx")
    return [
        tiny.value("log_probs", TensorProto.FLOAT, "B", CHUNK, beam),
        tiny.value("log_probs_idx", TensorProto.INT64, "B", CHUNK, beam),
        *last,
    ]


def add_window(
    nodes: Nodes, x: str, states: Mapping[str, str], positions: int
) -> tuple[str, dict[str, str]]:
    """The frames [N, CHUNK, DIM] of x [N, WINDOW, 80], and the next states, all float.

    states: the tensor by the name that icefall gives such a state.
    """
    key, nonlin, conv, count = (
        nodes.add("Cast", states[name], to=TensorProto.FLOAT) for name in STATES
    )
    frames = _subsample(nodes, nodes.add("Cast", x, to=TensorProto.FLOAT))
    steps = nodes.add("Transpose", frames, perm=[1, 0, 2])  # [CHUNK, N, DIM]
    channels = nodes.add("Transpose", frames, perm=[0, 2, 1])  # [N, DIM, CHUNK]
    before = [
        nodes.add("ReduceMean", key, axes=[0], keepdims=0),
        nodes.add("ReduceMean", nonlin, axes=[0, 2], keepdims=0),
        nodes.add("ReduceMean", conv, axes=[2], keepdims=0),
        _place(nodes, count, positions),
    ]  # [N, DIM] each, and the last [N, 1 or DIM]
    past = nodes.add("Sum", *(nodes.add("Unsqueeze", each, nodes.ints([1])) for each in before))
    following = {
        "cached_key_0": _keep(nodes, (key, steps), 0, LEFT),
        "cached_nonlin_attn_0": _keep(
            nodes, (nonlin, nodes.add("Unsqueeze", frames, nodes.ints([0]))), 2, LEFT
        ),
        "cached_conv1_0": _keep(nodes, (conv, channels), 2, KERNEL),
        "processed_lens": nodes.add("Add", count, nodes.floats(CHUNK)),
    }
    return nodes.add("Add", frames, past), following


def _subsample(nodes: Nodes, x: str) -> str:
    """Frame t reads frames 4 t and 4 t + 5 of x."""
    parts = []
    for seed, first in enumerate((0, 5)):
        every_fourth = map(nodes.ints, ([first], [first + HOP], [1], [4]))
        part = nodes.add("Slice", x, *every_fourth)
        parts.append(
            nodes.add("MatMul", part, nodes.floats(tiny.weights(tiny.NUM_MEL_BINS, DIM, seed)))
        )
    return nodes.add("Tanh", nodes.add("Add", *parts))


def _place(nodes: Nodes, count: str, positions: int) -> str:
    """Something of the number of frames done, [N, 1], or [N, DIM] from a table."""
    if not positions:
        waves = nodes.add("Cos", nodes.add("Mul", count, nodes.floats(0.1)))
        return nodes.add("Unsqueeze", waves, nodes.ints([1]))
    last = nodes.add("Add", nodes.add("Cast", count, to=TensorProto.INT64), nodes.ints(CHUNK - 1))
    return nodes.add("Gather", nodes.floats(np.tile(tiny.weights(1, DIM), (positions, 1))), last)


def _keep(nodes: Nodes, parts: tuple[str, str], axis: int, size: int) -> str:
    """The last of an old cache and what comes behind it."""
    joined = nodes.add("Concat", *parts, axis=axis)
    last = map(nodes.ints, ([-size], [1 << 30], [axis]))
    return nodes.add("Slice", joined, *last)
