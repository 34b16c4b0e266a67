"""What of a graph is known before it runs, computed: fewer nodes, and none that TensorRT shuns.

Nodes of constants alone become constants, an If whose condition is one becomes its branch, an If
with two equal branches becomes either. No size of an input is frozen, no result changes.
"""

import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from auricle.build.export.constants import lift_constants
from auricle.build.export.sanitize import inline_paddings
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import (
    drop_unused,
    reads,
    rename_reads,
    replace,
    set_nodes,
    sort_nodes,
    subgraphs,
)

UNKNOWN = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"}
LARGEST = 1 << 16  # bytes of a result; a table that is made as it is needed stays so
MAX_PASSES = 4  # a branch that is put in its place may let more be known


def fold(model: onnx.ModelProto) -> None:
    """In place, in the graph itself and not in what remains of its branches."""
    graph = model.graph
    sort_nodes(graph)
    inline_paddings(graph)
    for _ in range(MAX_PASSES):
        before = len(graph.node)
        lift_constants(graph)
        _compute(model)
        _inline(graph)
        _merge(graph)
        drop_unused(graph)
        if len(graph.node) == before:
            return


def _compute(model: onnx.ModelProto) -> None:
    graph = model.graph
    known = {tensor.name for tensor in graph.initializer}
    found: list[NodeProto] = []
    for node in graph.node:
        if _may_be_run(node) and reads(node) - {""} <= known:
            found.append(node)
            known.update(node.output)
    if not found:
        return
    values = _run(model, found)
    small = {name for name, value in values.items() if value.nbytes <= LARGEST}
    done = [node for node in found if set(node.output) - {""} <= small]
    made = {name for node in done for name in node.output if name}
    set_nodes(graph, [node for node in graph.node if node not in done])
    for name in sorted(made):
        graph.initializer.append(numpy_helper.from_array(values[name], name))


def _may_be_run(node: NodeProto) -> bool:
    """A list of tensors is no constant."""
    is_listed = "Sequence" in node.op_type or "Optional" in node.op_type
    return node.op_type not in UNKNOWN and not is_listed and not _has_branches(node)


def _has_branches(node: NodeProto) -> bool:
    return any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute)


def _run(model: onnx.ModelProto, nodes: list[NodeProto]) -> dict[str, Array]:
    part = onnx.ModelProto()
    part.ir_version = model.ir_version
    part.opset_import.extend(model.opset_import)
    part.graph.name = "known"
    part.graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    part.graph.initializer.extend(t for t in model.graph.initializer if t.name in read)
    names = [name for node in nodes for name in node.output if name]
    part.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return dict(Session(part).run({}))


def _inline(graph: GraphProto) -> None:
    """Put the branch that is taken in the place of its If."""
    known = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "If"]:
        branches = {each.name: each.g for each in node.attribute}
        then, other = branches["then_branch"], branches["else_branch"]
        condition = known.get(node.input[0])
        if condition is not None:
            taken = then if numpy_helper.to_array(condition).all() else other
        elif _means(then) == _means(other):
            taken = then
        else:
            continue
        ends = [
            helper.make_node("Identity", [inner.name], [name])
            for inner, name in zip(taken.output, node.output, strict=True)
        ]
        graph.initializer.extend(taken.initializer)
        replace(graph, node, [*taken.node, *ends])


def _merge(graph: GraphProto) -> None:
    """What is computed twice of the same tensors is computed once; outputs keep their names."""
    same: dict[str, str] = {}
    seen: dict[bytes, list[str]] = {}
    for tensor in graph.initializer:
        if len(tensor.raw_data) <= LARGEST:
            key = TensorProto()
            key.CopyFrom(tensor)
            key.name = ""
            first = seen.setdefault(key.SerializeToString(deterministic=True), [tensor.name])
            same[tensor.name] = first[0]
    kept_names = {value.name for value in graph.output}
    kept: list[NodeProto] = []
    for node in graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        if node.op_type in UNKNOWN or _has_branches(node) or kept_names & set(node.output):
            kept.append(node)
            continue
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name = ""
        del copy.output[:]
        names = seen.setdefault(copy.SerializeToString(deterministic=True), list(node.output))
        if names == list(node.output):
            kept.append(node)
        elif len(names) == len(node.output):
            same.update(zip(node.output, names, strict=True))
        else:
            kept.append(node)
    set_nodes(graph, kept)
    for node in graph.node:
        for branch in subgraphs(node):
            for name, other in same.items():
                rename_reads(branch, name, other)


def _means(branch: GraphProto) -> bytes:
    """The branch without the names of its own tensors."""
    names: dict[str, str] = {}
    copy = GraphProto()
    copy.CopyFrom(branch)
    copy.name = ""
    del copy.value_info[:]
    for tensor in copy.initializer:
        names[tensor.name] = tensor.name = f"own/{len(names)}"
    for node in copy.node:
        node.name = ""
        node.input[:] = [names.get(name, name) for name in node.input]
        for place, name in enumerate(node.output):
            names[name] = node.output[place] = f"own/{len(names)}"
    for value in copy.output:
        value.name = names.get(value.name, value.name)
        value.ClearField("type")
    return bytes(copy.SerializeToString(deterministic=True))


def count(model: onnx.ModelProto) -> str:
    """For a person."""
    kinds = [node.op_type for node in model.graph.node]
    return f"{len(kinds)} nodes, {kinds.count('If')} If, {kinds.count('Loop')} Loop"
