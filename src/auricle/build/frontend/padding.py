"""What lies behind the frames of a row."""

from dataclasses import dataclass

from onnx import TensorProto

from auricle.build.frontend.nodes import Nodes


@dataclass(frozen=True)
class Padding:
    """value: of every padded feature.  tail_frames: padded frames that follow the longest row."""

    value: float
    tail_frames: int


def add_padding(
    nodes: Nodes, padding: Padding, features: str, num_frames: str, longest: str
) -> str:
    """Features [N, longest + tail_frames, F], padded from num_frames [N] on.

    features: [N, longest, F].  longest: int64 [].
    """
    valid = add_valid_mask(nodes, num_frames, longest)
    value = nodes.floats(padding.value)
    masked = nodes.add("Where", nodes.add("Unsqueeze", valid, nodes.ints([2])), features, value)
    if padding.tail_frames == 0:
        return masked
    return nodes.add("Pad", masked, nodes.ints([0, 0, 0, 0, padding.tail_frames, 0]), value)


def add_valid_mask(nodes: Nodes, lens: str, width: str) -> str:
    """Bool [N, width]: whether a step counts.  lens: int64 [N].  width: int64 [].

    Compared as int32, which takes two thirds of the time.
    """
    bounds = (nodes.ints(0), width, nodes.ints(1), nodes.add("Unsqueeze", lens, nodes.ints([1])))
    first, end, step, column = (nodes.add("Cast", each, to=TensorProto.INT32) for each in bounds)
    return nodes.add("Less", nodes.add("Range", first, end, step), column)
