"""The encoder of random weights for streams, with the interface of icefall's conformer.

https://github.com/k2-fsa/icefall/blob/master/egs/librispeech/ASR/pruned_transducer_stateless5/export-onnx-streaming.py
The caller counts the frames done; what attention reads and what convolutions remember are cached.
"""

from dataclasses import dataclass

import numpy as np
import onnx

from auricle.build.random_checkpoint.conformer import (
    ATTENTION_GAIN,
    FLOAT,
    INT64,
    MASKED,
    NUM_MEL_BINS,
    Shape,
    biased,
    half_feedforward,
    normalise,
    split_heads,
    subsample,
)
from auricle.build.random_checkpoint.graph import Graph

CHUNK, LEFT = 16, 64  # frames of 40 ms, as icefall's exporter has them
HOP = 4 * CHUNK  # feature frames
PAD_LENGTH = 11  # that the convolutions see beyond them: two frames are cut off, and their edge
WINDOW = HOP + PAD_LENGTH
ALL = LEFT + CHUNK


@dataclass(frozen=True)
class Past:
    """What every layer needs to know beside its own caches.

    unheard: bool [N, 1, 1, ALL], what of the cache is from before the stream.
    position: [ALL + CHUNK - 1, dim], from the farthest key behind a query to the farthest before.
    """

    unheard: str
    position: str


def encoder(shape: Shape, seed: int) -> onnx.ModelProto:
    """From x [N, WINDOW, 80], two caches and processed_lens [N] to encoder_out [N, CHUNK, J].

    cached_attn: [layers, LEFT, N, dim].  cached_conv: [layers, kernel - 1, N, dim].
    """
    graph = Graph(seed)
    hidden = _slice(graph, subsample(graph, shape), 1, CHUNK + 1, axis=1)
    past = Past(_unheard(graph), _positions(graph, shape))
    attn, conv = [], []
    for layer in range(shape.layers):
        hidden, heard, convolved = _layer(graph, shape, hidden, past, layer)
        attn.append(heard)
        conv.append(convolved)
    graph.rename(graph.linear(hidden, shape.dim, shape.joiner_dim), "encoder_out")
    graph.rename(graph.add("Concat", *attn, axis=0), "new_cached_attn")
    graph.rename(graph.add("Concat", *conv, axis=0), "new_cached_conv")
    return _finish(graph, shape)


def _layer(graph: Graph, shape: Shape, x: str, past: Past, number: int) -> tuple[str, str, str]:
    """The frames behind it, and its two next caches."""
    x = graph.add("Add", x, half_feedforward(graph, shape, x))
    cache = _cache(graph, "cached_attn", number)
    frames = graph.add("Concat", cache, normalise(graph, shape, x), axis=1)
    x = graph.add("Add", x, _attention(graph, shape, frames, past))
    cache = _cache(graph, "cached_conv", number)
    gated = graph.add("Concat", cache, _gate(graph, shape, normalise(graph, shape, x)), axis=1)
    x = graph.add("Add", x, _convolution(graph, shape, gated))
    x = graph.add("Add", x, half_feedforward(graph, shape, x))
    heard = _next_cache(graph, frames, LEFT)
    return normalise(graph, shape, x), heard, _next_cache(graph, gated, shape.kernel - 1)


def _finish(graph: Graph, shape: Shape) -> onnx.ModelProto:
    attn: list[int | str] = [shape.layers, LEFT, "N", shape.dim]
    conv: list[int | str] = [shape.layers, shape.kernel - 1, "N", shape.dim]
    metadata = {
        "model_type": "conformer",
        "version": "1",
        "model_author": "auricle",
        "comment": "random weights: for measuring speed, knows no words",
        "pad_length": PAD_LENGTH,
        "decode_chunk_len": HOP,
        "encoder_dim": shape.dim,
        "num_encoder_layers": shape.layers,
        "cnn_module_kernel": shape.kernel,
        "left_context": LEFT,
        "right_context": 0,
        "chunk_size": CHUNK,
        "T": WINDOW,
    }
    return graph.finish(
        {
            "x": (FLOAT, ["N", WINDOW, NUM_MEL_BINS]),
            "cached_attn": (FLOAT, attn),
            "cached_conv": (FLOAT, conv),
            "processed_lens": (INT64, ["N"]),
        },
        {
            "encoder_out": (FLOAT, ["N", CHUNK, shape.joiner_dim]),
            "new_cached_attn": (FLOAT, attn),
            "new_cached_conv": (FLOAT, conv),
        },
        {name: str(value) for name, value in metadata.items()},
    )


def _slice(graph: Graph, x: str, start: int, end: int, axis: int) -> str:
    return graph.add("Slice", x, *map(graph.integers, (start, end, axis)))


def _cache(graph: Graph, name: str, layer: int) -> str:
    """A layer's, with the batch first: [N, frames, dim]."""
    part = _slice(graph, name, layer, layer + 1, axis=0)
    return graph.add("Transpose", graph.add("Squeeze", part, graph.integers(0)), perm=[1, 0, 2])


def _next_cache(graph: Graph, frames: str, size: int) -> str:
    """The last frames of [N, T, dim] as a layer of the next cache: [1, size, N, dim]."""
    last = _slice(graph, frames, -size, np.iinfo(np.int64).max, axis=1)
    return graph.add("Unsqueeze", graph.add("Transpose", last, perm=[1, 0, 2]), graph.integers(0))


def _unheard(graph: Graph) -> str:
    columns = graph.integers(*range(ALL))
    first = graph.add("Sub", graph.integers(LEFT), "processed_lens")
    unheard = graph.add("Less", columns, graph.add("Unsqueeze", first, graph.integers(1)))
    return graph.add("Unsqueeze", unheard, graph.integers(1, 2))


def _positions(graph: Graph, shape: Shape) -> str:
    distances = np.arange(ALL - 1, -CHUNK, -1)[:, None]
    rates = np.exp(np.arange(shape.dim // 2) * (-np.log(10000.0) / (shape.dim // 2)))
    table = np.concatenate([np.sin(distances * rates), np.cos(distances * rates)], axis=1)
    return graph.constant(table.astype(np.float32))


def _attention(graph: Graph, shape: Shape, frames: str, past: Past) -> str:
    """The last CHUNK of frames [N, ALL, dim] attend to all."""
    asking = _slice(graph, frames, LEFT, ALL, axis=1)
    query, key, value = (
        split_heads(graph, shape, graph.linear(source, shape.dim, shape.dim))
        for source in (asking, frames, frames)
    )
    content = graph.add("Transpose", biased(graph, shape, query), perm=[0, 2, 1, 3])
    scores = graph.add("MatMul", content, graph.add("Transpose", key, perm=[0, 2, 3, 1]))
    scores = graph.add("Add", scores, _relative_scores(graph, shape, query, past.position))
    scores = graph.add("Mul", scores, graph.floats((shape.dim // shape.heads) ** -0.5))
    scores = graph.add("Where", past.unheard, graph.floats(MASKED), scores)
    weights = graph.add("Softmax", scores, axis=-1)
    mixed = graph.add("MatMul", weights, graph.add("Transpose", value, perm=[0, 2, 1, 3]))
    mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
    mixed = graph.add("Reshape", mixed, graph.integers(0, 0, shape.dim))
    return graph.linear(mixed, shape.dim, shape.dim, gain=ATTENTION_GAIN)


def _relative_scores(graph: Graph, shape: Shape, query: str, position: str) -> str:
    """How much each frame attends to each distance, [N, H, CHUNK, ALL]."""
    size = shape.dim // shape.heads
    places = graph.add("MatMul", position, graph.weight(shape.dim, shape.dim, fan_in=shape.dim))
    places = graph.add("Reshape", places, graph.integers(-1, shape.heads, size))
    places = graph.add("Transpose", places, perm=[1, 2, 0])  # [H, size, distances]
    asking = graph.add("Transpose", biased(graph, shape, query), perm=[0, 2, 1, 3])
    return relative_shift(graph, shape.heads, graph.add("MatMul", asking, places))


def relative_shift(graph: Graph, heads: int, scores: str) -> str:
    """[N, H, CHUNK, distances], column c for distance ALL - 1 - c, -> [N, H, CHUNK, ALL] by key."""
    distances = ALL + CHUNK - 1
    padded = graph.add("Pad", scores, graph.integers(0, 0, 0, 1, 0, 0, 0, 0))
    skewed = graph.add("Reshape", padded, graph.integers(-1, heads, distances + 1, CHUNK))
    skewed = _slice(graph, skewed, 1, distances + 1, axis=2)
    square = graph.add("Reshape", skewed, graph.integers(-1, heads, CHUNK, distances))
    return _slice(graph, square, 0, ALL, axis=3)


def _gate(graph: Graph, shape: Shape, x: str) -> str:
    value, gate = graph.split("Split", 2, graph.linear(x, shape.dim, 2 * shape.dim), axis=-1)
    return graph.add("Mul", value, graph.add("Sigmoid", gate))


def _convolution(graph: Graph, shape: Shape, gated: str) -> str:
    """Depthwise over time and what came before, then pointwise."""
    kernel = graph.weight(shape.dim, 1, shape.kernel, fan_in=shape.kernel)
    channels = graph.add("Transpose", gated, perm=[0, 2, 1])  # [N, T, dim] -> [N, dim, T]
    mixed = graph.add("Conv", channels, kernel, group=shape.dim)
    mixed = graph.swish(graph.add("Transpose", mixed, perm=[0, 2, 1]))
    return graph.linear(mixed, shape.dim, shape.dim)
