"""Raw samples as wav2vec2 takes them: each utterance normalised by its own mean and variance.

https://github.com/huggingface/transformers/blob/main/src/transformers/models/wav2vec2/feature_extraction_wav2vec2.py
"""

from dataclasses import dataclass

from onnx import TensorProto

from auricle.build.frontend.nodes import Nodes

EPSILON = 1e-7  # zero_mean_unit_var_norm
BLOCK = 512  # values that are summed at once, whatever the width of the batch


@dataclass(frozen=True)
class RawOptions:
    """normalises: to mean 0 and variance 1, as do_normalize of preprocessor_config.json says."""

    sample_rate: int = 16000
    normalises: bool = True


def add_samples(nodes: Nodes, options: RawOptions, waveforms: str, lens: str, width: str) -> str:
    """Samples float32 [N, width], zero beyond a row's length.

    waveforms: float32 [N, L].  lens: int64 [N], 0 <= lens <= L.  width: int64 [1], at least the
    longest row.
    """
    have = nodes.add("Gather", nodes.add("Shape", waveforms), nodes.ints([1]))
    pads = nodes.add("Concat", nodes.ints([0, 0, 0]), nodes.add("Sub", width, have), axis=0)
    valid = add_valid(nodes, lens, width)
    samples = nodes.add("Where", valid, nodes.add("Pad", waveforms, pads), nodes.floats(0))
    if not options.normalises:
        return samples
    count = add_count(nodes, lens, (1,))
    mean = nodes.add("Div", add_sum(nodes, samples, width, BLOCK), count)
    centred = nodes.add("Where", valid, nodes.add("Sub", samples, mean), nodes.floats(0))
    squares = add_sum(nodes, nodes.add("Mul", centred, centred), width, BLOCK)
    variance = nodes.add("Add", nodes.add("Div", squares, count), nodes.floats(EPSILON))
    return nodes.add("Div", centred, nodes.add("Sqrt", variance))


def add_valid(nodes: Nodes, lens: str, width: str) -> str:
    """Bool [N, width]: which steps count.  lens: int64 [N].  width: int64 [1]."""
    end = nodes.add("Squeeze", width, nodes.ints([0]))
    steps = nodes.add("Range", nodes.ints(0), end, nodes.ints(1))
    return nodes.add("Less", steps, nodes.add("Unsqueeze", lens, nodes.ints([1])))


def add_count(nodes: Nodes, lens: str, axes: tuple[int, ...]) -> str:
    """Float32 lens with more axes behind, at least 1: what a mean is divided by."""
    at_least_one = nodes.add("Max", lens, nodes.ints(1))
    count = nodes.add("Cast", at_least_one, to=TensorProto.FLOAT)
    return nodes.add("Unsqueeze", count, nodes.ints(axes))


def add_sum(nodes: Nodes, values: str, width: str, block: int) -> str:
    """The sum over the last axis, which stays, of [N, width]: zeros behind change no bit of it.

    A plain sum adds in an order that depends on the width. Blocks of one size are summed alike
    wherever a row ends, and a running sum over them adds zeros last.
    """
    missing = nodes.add("Mod", nodes.add("Neg", width), nodes.ints(block))
    pads = nodes.add("Concat", nodes.ints([0, 0, 0]), missing, axis=0)
    blocks = nodes.add("Reshape", nodes.add("Pad", values, pads), nodes.ints([0, -1, block]))
    return add_running_total(nodes, nodes.add("ReduceSum", blocks, nodes.ints([2]), keepdims=0), 1)


def add_running_total(nodes: Nodes, sums: str, axis: int) -> str:
    """The last of the running sums along an axis, which stays."""
    running = nodes.add("CumSum", sums, nodes.ints(axis))
    index = map(nodes.ints, ([-1], [1 << 30], [axis]))
    return nodes.add("Slice", running, *index)
