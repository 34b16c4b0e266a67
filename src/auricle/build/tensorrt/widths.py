"""Lengths from the width of WAV, where a graph takes them from its longest row.

TensorRT computes shapes before it runs, from other shapes. A served graph is as wide as the longest
of WAV_LENS, which are values, one a row: TensorRT would make them a shape input, which cannot have
as many rows as a batch happens to have. The width of WAV is a shape, and no row is longer; what a
wider graph has more of is padding, which changes nothing.
"""

from collections.abc import Iterable

import onnx
from onnx import NodeProto, TensorProto, helper

from auricle.build.export.surgery import reads

LENS, AUDIO = "WAV_LENS", "WAV"
PREFIX = "width/"
# What grows or stays when a length does, so that the largest of all is that of the longest row. A
# subtraction from a constant would shrink; what is compared with the plan on audio would show it.
STEPS = frozenset(
    ("Add", "Cast", "Ceil", "Clip", "Div", "Floor", "Identity", "Max", "Min", "Mul", "Relu",
     "Squeeze", "Sub", "Unsqueeze")
)  # fmt: skip


def by_width(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose widths do not depend on WAV_LENS; the model itself where they do not."""
    makers = {name: node for node in model.graph.node for name in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    chains = {
        node.output[0]: chain
        for node in model.graph.node
        if node.op_type == "ReduceMax"
        and (chain := _chain(node.input[0], makers, constants)) is not None
    }
    if not chains or AUDIO not in {value.name for value in model.graph.input}:
        return model
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    cloned = {name: node for chain in chains.values() for name, node in chain.items()}
    nodes = [*_width(wide.graph), *(_clone(node, cloned) for node in _once(cloned.values()))]
    for node in wide.graph.node:
        if node.op_type == "ReduceMax" and node.output[0] in chains:
            node.input[0] = PREFIX + node.input[0]
    rest = list(wide.graph.node)
    del wide.graph.node[:]
    wide.graph.node.extend(_sorted([*nodes, *rest]))
    return wide


def _chain(
    name: str, makers: dict[str, NodeProto], constants: set[str]
) -> dict[str, NodeProto] | None:
    """The nodes between WAV_LENS and a tensor, by output; None if there is more to it."""
    chain: dict[str, NodeProto] = {}
    pending, reaches = [name], False
    while pending:
        current = pending.pop()
        if current == LENS:
            reaches = True
        elif current and current not in constants and current not in chain:
            node = makers.get(current)
            if node is None or node.op_type not in STEPS | {"Constant"}:
                return None
            chain[current] = node
            pending.extend(node.input)
    return chain if reaches else None


def _width(graph: onnx.GraphProto) -> list[NodeProto]:
    """The width of WAV as an int32 [1], in the place of WAV_LENS."""
    graph.initializer.append(helper.make_tensor(f"{PREFIX}axis", TensorProto.INT64, [1], [1]))
    return [
        helper.make_node("Shape", [AUDIO], [f"{PREFIX}shape"], name=f"{PREFIX}Shape"),
        helper.make_node(
            "Gather", [f"{PREFIX}shape", f"{PREFIX}axis"], [f"{PREFIX}samples"],
            name=f"{PREFIX}Gather", axis=0,
        ),
        helper.make_node(
            "Cast", [f"{PREFIX}samples"], [PREFIX + LENS], name=f"{PREFIX}Cast",
            to=TensorProto.INT32,
        ),
    ]  # fmt: skip


def _clone(node: NodeProto, cloned: dict[str, NodeProto]) -> NodeProto:
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.name = PREFIX + node.name
    for index, name in enumerate(node.input):
        if name == LENS or name in cloned:
            copy.input[index] = PREFIX + name
    for index, name in enumerate(node.output):
        copy.output[index] = PREFIX + name
    return copy


def _once(nodes: Iterable[NodeProto]) -> list[NodeProto]:
    return list({node.output[0]: node for node in nodes}.values())


def _sorted(nodes: list[NodeProto]) -> list[NodeProto]:
    """Each behind what it reads, as ONNX asks; otherwise as they came."""
    made = {name for node in nodes for name in node.output}
    known: set[str] = set()
    ordered: list[NodeProto] = []
    while nodes:
        later = []
        for node in nodes:
            if (reads(node) & made) <= known:
                ordered.append(node)
                known.update(node.output)
            else:
                later.append(node)
        assert len(later) < len(nodes), "the graph has a cycle"
        nodes = later
    return ordered
