"""Convolutions over a handful of steps, written as products of matrices.

ONNX Runtime runs a Conv row by row; of a batch of many short rows, one product of matrices is the
same and several times as fast.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper

from auricle.build.export.surgery import read_ints, replace
from auricle.build.frontend.nodes import Nodes

END = 1 << 30  # behind every axis


@dataclass(frozen=True)
class _Conv:
    """weight: [O, C, kernel].  bias: [O] or None."""

    node: NodeProto
    weight: NDArray[np.float32]
    bias: str | None
    stride: int
    pads: tuple[int, int]

    @property
    def kernel(self) -> int:
        return int(self.weight.shape[2])


def unfold_convolutions(graph: onnx.GraphProto) -> None:
    """In place; those of one axis, without groups and dilations, whose weights are constants."""
    constants = {each.name: each for each in graph.initializer}
    for node in [each for each in graph.node if each.op_type == "Conv"]:
        weight = constants.get(node.input[1])
        if weight is not None and len(weight.dims) == 3 and _is_plain(node):
            conv = _read(node, numpy_helper.to_array(weight))
            nodes = Nodes(f"{node.output[0]}/unfolded/")
            _add(nodes, conv)
            replace(graph, node, nodes.nodes)
            graph.initializer.extend(nodes.constants)


def _read(node: NodeProto, weight: NDArray[np.float32]) -> _Conv:
    bias = node.input[2] if len(node.input) > 2 else None
    before, after = read_ints(node, "pads") or [0, 0]
    return _Conv(node, weight, bias, (read_ints(node, "strides") or [1])[0], (before, after))


def _is_plain(node: NodeProto) -> bool:
    group = next((each.i for each in node.attribute if each.name == "group"), 1)
    return group == 1 and set(read_ints(node, "dilations")) <= {1}


def _add(nodes: Nodes, conv: _Conv) -> None:
    """From x [N, C, T] to the node's output [N, O, T']."""
    x, weight, stride = conv.node.input[0], conv.weight, conv.stride
    if _takes_blocks(conv):
        steps = _add_blocks(nodes, x, stride)
        weight = weight.reshape(len(weight), -1, stride).transpose(0, 2, 1)
        stride = 1
    else:
        steps = nodes.add("Transpose", x, perm=[0, 2, 1])  # [N, T, C]
    if any(conv.pads):
        before, after = conv.pads
        steps = nodes.add("Pad", steps, nodes.ints([0, before, 0, 0, after, 0]))
    kernel = weight.shape[2]
    taps = [
        nodes.add(
            "Slice",
            steps,
            *map(nodes.ints, ([tap], [tap + 1 - kernel or END], [1], [stride])),
        )
        for tap in range(kernel)
    ]
    unfolded = nodes.add("Concat", *taps, axis=2)  # [N, T', kernel * C]
    matrix = weight.transpose(2, 1, 0).reshape(-1, len(weight))
    product = nodes.add("MatMul", unfolded, nodes.floats(matrix))
    if conv.bias is not None:
        product = nodes.add("Add", product, conv.bias)
    result = nodes.add("Transpose", product, perm=[0, 2, 1])
    nodes.nodes.append(onnx.helper.make_node("Identity", [result], list(conv.node.output)))


def _add_blocks(nodes: Nodes, x: str, size: int) -> str:
    """Samples [N, 1, L] -> [N, L // size, size]; those left over are in no frame."""
    length = nodes.add("Gather", nodes.add("Shape", x), nodes.ints([2]))
    whole = nodes.add("Mul", nodes.add("Div", length, nodes.ints(size)), nodes.ints(size))
    samples = nodes.add("Slice", x, nodes.ints([0]), whole, nodes.ints([2]))
    return nodes.add("Reshape", samples, nodes.ints([0, -1, size]))


def _takes_blocks(conv: _Conv) -> bool:
    """Of samples, a stride of them are the channels of a step."""
    return conv.weight.shape[1] == 1 and conv.kernel % conv.stride == 0 and not any(conv.pads)
