"""A graph of float16 or bfloat16 in float32 that rounds where the other rounds.

ONNX Runtime's CPU computes float16 in float32: it leaves out the casts, so a value beyond 65504 is
nothing special there, and an error of a GPU is never seen. Here every tensor that is not just moved
is rounded behind the node that makes it, to the nearest, to infinity beyond the largest. A product
sums in float32, as tensor cores do. bfloat16, which the CPU cannot run, is done likewise, but for
numbers over 1e34.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from auricle.build.export.dtypes import tensor_types
from auricle.build.export.surgery import set_nodes, subgraphs

PASSED_ON = {
    "Concat", "Constant", "ConstantOfShape", "Expand", "Flatten", "Gather", "GatherElements",
    "Identity", "Max", "MaxPool", "Min",
    "Neg", "Relu", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
    "Where",
}  # fmt: skip  # they give what they got


@dataclass(frozen=True)
class Format:
    """bits: of the significand, the hidden one too.  smallest: the least normal number."""

    bits: int
    largest: float
    smallest: float


FORMATS: dict[int, Format] = {
    TensorProto.FLOAT16: Format(11, 65504.0, 2.0**-14),
    TensorProto.BFLOAT16: Format(8, 3.3895314e38, 2.0**-126),
}


def is_reduced(model: onnx.ModelProto) -> bool:
    graph = model.graph
    kinds = {tensor.data_type for tensor in graph.initializer}
    kinds.update(value.type.tensor_type.elem_type for value in (*graph.input, *graph.output))
    kinds.update(each.i for node in graph.node if node.op_type == "Cast" for each in node.attribute)
    return bool(kinds & FORMATS.keys())


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in float32, its ports too; the model itself where it is so already.

    Also where a branch or a loop has reduced numbers, in which nothing is rounded.
    """
    if not is_reduced(model) or any(map(_hides_some, model.graph.node)):
        return model
    types = tensor_types(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for tensor in graph.initializer:
        _widen(tensor)
    constants: dict[str, float] = {}
    nodes = [each for node in graph.node for each in _round_results(node, types, constants)]
    set_nodes(graph, nodes)
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type in FORMATS:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.value_info[:]
    return copy


def _round_results(
    node: NodeProto, types: dict[str, int], constants: dict[str, float]
) -> list[NodeProto]:
    """The node in float32, and behind it what rounds."""
    for attribute in node.attribute:
        _widen(attribute.t)
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i in FORMATS:
            attribute.i = TensorProto.FLOAT
    nodes = [node]
    if node.op_type in PASSED_ON:
        return nodes
    for place, name in enumerate(node.output):
        if types.get(name) in FORMATS:
            node.output[place] = f"{name}/exact"
            nodes += _round(name, FORMATS[types[name]], constants)
    return nodes


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type in FORMATS:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _hides_some(node: NodeProto) -> bool:
    return any(
        is_reduced(helper.make_model(graph)) or any(map(_hides_some, graph.node))
        for graph in subgraphs(node)
    )


def _round(name: str, kind: Format, constants: dict[str, float]) -> list[NodeProto]:
    """Nodes that make `name` of name/exact.

    Veltkamp's split keeps the leading bits; where they are fewer, below the least normal number,
    the sum with a number whose last place is the step there does.
    """
    exact, made = f"{name}/exact", f"{name}/rounding/"

    def number(key: str, value: float) -> str:
        constants[f"rounding{kind.bits}/{key}"] = value
        return f"rounding{kind.bits}/{key}"

    def add(op_type: str, *inputs: str) -> str:
        nodes.append(helper.make_node(op_type, inputs, [f"{made}{len(nodes)}"]))
        return str(nodes[-1].output[0])

    nodes: list[NodeProto] = []
    size = add("Abs", exact)
    scaled = add("Mul", exact, number("split", 2.0 ** (24 - kind.bits) + 1))
    result = add("Sub", scaled, add("Sub", scaled, exact))
    if kind.smallest > 2.0**-100:  # those of bfloat16 are float32's own
        anchor = number("anchor", 1.5 * 2.0**23 * kind.smallest * 2.0 ** (1 - kind.bits))
        tiny = add("Sub", add("Add", exact, anchor), anchor)
        is_tiny = add("Less", size, number("smallest", kind.smallest))
        result = add("Where", is_tiny, tiny, result)
        half_step = kind.largest * 2.0**-kind.bits / (2 - 2.0 ** (1 - kind.bits))
        is_huge = add("GreaterOrEqual", size, number("beyond", kind.largest + half_step))
        infinite = add("Mul", add("Sign", exact), number("infinity", float("inf")))
        # of a zero this is no number, but then it is not taken
        result = add("Where", is_huge, infinite, result)
    else:
        is_huge = add("Greater", size, number("beyond", 1e34))  # scaled would be infinite
        result = add("Where", is_huge, exact, result)
    nodes[-1].output[0] = name
    return nodes
