"""A conformer encoder of random weights, with the interface of icefall's offline export."""

from dataclasses import dataclass

import numpy as np
import onnx

from auricle.build.random_checkpoint.graph import Graph

FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
NUM_MEL_BINS = 80
MEAN, STD = -6.0, 4.0  # of log-mel energies of speech in [-1, 1], roughly
CHANNELS = (8, 32, 128)  # of the three convolutions that subsample, as in icefall
ATTENTION_GAIN = 0.1  # untrained attention averages: with more of it all frames look alike
MASKED = -1e9  # a score whose exponential is zero, yet a row of them alone gives no NaN


@dataclass(frozen=True)
class Shape:
    """Sizes of the encoder; the default has 30 million parameters."""

    layers: int = 12
    dim: int = 320
    heads: int = 8
    feedforward: int = 1280
    kernel: int = 31
    joiner_dim: int = 512


@dataclass(frozen=True)
class Frames:
    """What every layer needs to know about the batch's frames.

    count: tensor [1], T'.  padded: bool [N, T'].  position: [2 T' - 1, dim], from T' - 1 down.
    """

    count: str
    padded: str
    position: str


def encoder(shape: Shape, seed: int) -> onnx.ModelProto:
    """From x [N, T, 80], x_lens [N] to encoder_out [N, T', J], encoder_out_lens [N].

    T' = ((T - 1) // 2 - 1) // 2, as icefall's.
    """
    graph = Graph(seed)
    hidden = subsample(graph, shape)
    lens = _subsampled_lens(graph, "x_lens")
    frames = _frames(graph, shape, hidden, lens)
    for _ in range(shape.layers):
        hidden = _layer(graph, shape, hidden, frames)
    graph.rename(graph.linear(hidden, shape.dim, shape.joiner_dim), "encoder_out")
    graph.rename(lens, "encoder_out_lens")
    return graph.finish(
        {"x": (FLOAT, ["N", "T", NUM_MEL_BINS]), "x_lens": (INT64, ["N"])},
        {
            "encoder_out": (FLOAT, ["N", "T_out", shape.joiner_dim]),
            "encoder_out_lens": (INT64, ["N"]),
        },
        {
            "model_type": "conformer",
            "version": "1",
            "model_author": "auricle",
            "comment": "random weights: for measuring speed, knows no words",
        },
    )


def subsample(graph: Graph, shape: Shape) -> str:
    """From x [N, T, 80] to [N, T', dim]: two of the three convolutions halve the frames."""
    normal = graph.add("Sub", "x", graph.floats(MEAN))
    normal = graph.add("Div", normal, graph.floats(STD))
    image = graph.add("Unsqueeze", normal, graph.integers(1))  # [N, 1, T, 80]
    inputs = 1
    for channels, stride, pad in zip(CHANNELS, (1, 2, 2), (1, 0, 0), strict=True):
        kernel = graph.weight(channels, inputs, 3, 3, fan_in=9 * inputs)
        image = graph.add("Conv", image, kernel, strides=[stride] * 2, pads=[pad] * 4)
        image = graph.swish(image)
        inputs = channels
    bins = ((NUM_MEL_BINS - 1) // 2 - 1) // 2
    image = graph.add("Transpose", image, perm=[0, 2, 1, 3])  # [N, C, T', F] -> [N, T', C, F]
    flat = graph.add("Reshape", image, graph.integers(0, 0, inputs * bins))
    return graph.linear(flat, inputs * bins, shape.dim)


def _subsampled_lens(graph: Graph, lens: str) -> str:
    """((lens - 1) // 2 - 1) // 2; ONNX divides towards zero, so it never falls below 0."""
    one, two = graph.integers(1), graph.integers(2)
    for _ in range(2):
        lens = graph.add("Div", graph.add("Sub", lens, one), two)
    return lens


def _frames(graph: Graph, shape: Shape, hidden: str, lens: str) -> Frames:
    """The mask spans the frames of x, not the longest of x_lens: any padding is welcome."""
    count = graph.add("Slice", graph.add("Shape", hidden), graph.integers(1), graph.integers(2))
    scalar = graph.add("Squeeze", count)
    zero, one = graph.constant(np.array(0, np.int64)), graph.constant(np.array(1, np.int64))
    index = graph.add("Range", zero, scalar, one)
    padded = graph.add("GreaterOrEqual", index, graph.add("Unsqueeze", lens, graph.integers(1)))
    down = graph.add(
        "Range",
        graph.add("Sub", scalar, one),
        graph.add("Neg", scalar),
        graph.constant(np.array(-1, np.int64)),
    )
    steps = graph.add("Unsqueeze", graph.add("Cast", down, to=FLOAT), graph.integers(1))
    rates = np.exp(np.arange(shape.dim // 2) * (-np.log(10000.0) / (shape.dim // 2)))
    angle = graph.add("Mul", steps, graph.constant(rates.astype(np.float32)))
    position = graph.add("Concat", graph.add("Sin", angle), graph.add("Cos", angle), axis=1)
    return Frames(count, padded, position)


def _layer(graph: Graph, shape: Shape, x: str, frames: Frames) -> str:
    x = graph.add("Add", x, half_feedforward(graph, shape, x))
    x = graph.add("Add", x, _attention(graph, shape, normalise(graph, shape, x), frames))
    x = graph.add("Add", x, _convolution(graph, shape, normalise(graph, shape, x), frames))
    x = graph.add("Add", x, half_feedforward(graph, shape, x))
    return normalise(graph, shape, x)


def normalise(graph: Graph, shape: Shape, x: str) -> str:
    scale = graph.constant(np.ones(shape.dim, np.float32))
    bias = graph.constant(np.zeros(shape.dim, np.float32))
    return graph.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-5)


def half_feedforward(graph: Graph, shape: Shape, x: str) -> str:
    wide = graph.linear(normalise(graph, shape, x), shape.dim, shape.feedforward)
    narrow = graph.linear(graph.swish(wide), shape.feedforward, shape.dim)
    return graph.add("Mul", narrow, graph.floats(0.5))


def _attention(graph: Graph, shape: Shape, x: str, frames: Frames) -> str:
    """Self-attention with relative positions, as in Transformer-XL: the cost of icefall's own."""
    query, key, value = (
        split_heads(graph, shape, graph.linear(x, shape.dim, shape.dim)) for _ in range(3)
    )
    content = graph.add("Transpose", biased(graph, shape, query), perm=[0, 2, 1, 3])
    key = graph.add("Transpose", key, perm=[0, 2, 3, 1])
    scores = graph.add("MatMul", content, key)  # [N, H, T', T']
    scores = graph.add("Add", scores, _relative_scores(graph, shape, query, frames))
    scores = graph.add("Mul", scores, graph.floats((shape.dim // shape.heads) ** -0.5))
    mask = graph.add("Unsqueeze", frames.padded, graph.integers(1, 2))
    scores = graph.add("Where", mask, graph.floats(MASKED), scores)
    weights = graph.add("Softmax", scores, axis=-1)
    mixed = graph.add("MatMul", weights, graph.add("Transpose", value, perm=[0, 2, 1, 3]))
    mixed = graph.add("Transpose", mixed, perm=[0, 2, 1, 3])
    mixed = graph.add("Reshape", mixed, graph.integers(0, 0, shape.dim))
    return graph.linear(mixed, shape.dim, shape.dim, gain=ATTENTION_GAIN)


def split_heads(graph: Graph, shape: Shape, x: str) -> str:
    return graph.add(
        "Reshape", x, graph.integers(0, -1, shape.heads, shape.dim // shape.heads)
    )  # [N, T', dim] -> [N, T', H, dim / H]


def biased(graph: Graph, shape: Shape, query: str) -> str:
    size = shape.dim // shape.heads
    return graph.add("Add", query, graph.weight(shape.heads, size, fan_in=size))


def _relative_scores(graph: Graph, shape: Shape, query: str, frames: Frames) -> str:
    """How much each frame attends to each distance, [N, H, T', T']."""
    weight = graph.weight(shape.dim, shape.dim, fan_in=shape.dim)
    position = graph.add("MatMul", frames.position, weight)
    size = shape.dim // shape.heads
    position = graph.add("Reshape", position, graph.integers(-1, shape.heads, size))
    position = graph.add("Transpose", position, perm=[1, 2, 0])  # [H, size, 2 T' - 1]
    place = graph.add("Transpose", biased(graph, shape, query), perm=[0, 2, 1, 3])
    scores = graph.add("MatMul", place, position)
    return _relative_shift(graph, shape.heads, scores, frames.count)


def _relative_shift(graph: Graph, heads: int, scores: str, count: str) -> str:
    """[N, H, T', 2 T' - 1], column c for distance T' - 1 - c, -> [N, H, T', T'] by key."""
    head = graph.integers(0, heads)
    rest = graph.integers(-1)
    padded = graph.add("Pad", scores, graph.integers(0, 0, 0, 1, 0, 0, 0, 0))
    skewed = graph.add("Reshape", padded, graph.add("Concat", head, rest, count, axis=0))
    skewed = graph.add(
        "Slice",
        skewed,
        graph.integers(1),
        graph.integers(np.iinfo(np.int64).max),
        graph.integers(2),
    )
    square = graph.add("Reshape", skewed, graph.add("Concat", head, count, rest, axis=0))
    return graph.add("Slice", square, graph.integers(0), count, graph.integers(3))


def _convolution(graph: Graph, shape: Shape, x: str, frames: Frames) -> str:
    """Pointwise with a gate, depthwise over time, pointwise."""
    value, gate = graph.split("Split", 2, graph.linear(x, shape.dim, 2 * shape.dim), axis=-1)
    gated = graph.add("Mul", value, graph.add("Sigmoid", gate))
    mask = graph.add("Unsqueeze", frames.padded, graph.integers(2))
    gated = graph.add("Where", mask, graph.floats(0), gated)
    gated = graph.add("Transpose", gated, perm=[0, 2, 1])  # [N, T', dim] -> [N, dim, T']
    kernel = graph.weight(shape.dim, 1, shape.kernel, fan_in=shape.kernel)
    pad = (shape.kernel - 1) // 2
    mixed = graph.add("Conv", gated, kernel, group=shape.dim, pads=[pad, pad])
    mixed = graph.swish(graph.add("Transpose", mixed, perm=[0, 2, 1]))
    return graph.linear(mixed, shape.dim, shape.dim)
