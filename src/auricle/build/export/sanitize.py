"""Repairs of published graphs that change no result: opset, names, padding masks, branches."""

from collections import deque
from collections.abc import Iterable

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, helper, numpy_helper, version_converter

from auricle.build.export.graph import Graph
from auricle.errors import CheckpointError

MIN_OPSET, MAX_OPSET = 13, 18  # what the nodes put around a graph need; what every server reads


def sanitize(graph: Graph) -> onnx.ModelProto:
    """A repaired copy of an encoder; its inputs and outputs keep their names."""
    model = at_known_opset(graph)
    size_masks_by_input(model.graph, *(port.name for port in graph.inputs))
    inline_paddings(model.graph)
    return model


def at_known_opset(graph: Graph) -> onnx.ModelProto:
    """A copy of the model at opset 13 to 18; CheckpointError where onnx cannot convert it."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    del model.graph.value_info[:]  # exporters give two lengths one symbol; nobody needs these
    sort_nodes(model.graph)
    opset = graph.opset
    target = max(MIN_OPSET, min(opset, MAX_OPSET))
    if opset == target:
        return model
    try:
        return version_converter.convert_version(model, target)
    except RuntimeError as error:
        raise CheckpointError(
            f"{graph.path.name} has ONNX opset {opset}, which does not convert to {target} "
            f"({error}); export it again with opset {MIN_OPSET} to {MAX_OPSET}"
        ) from error


def sort_nodes(graph: GraphProto) -> None:
    """Producers before consumers, as ONNX asks; the usual float16 converters append theirs.

    The order is otherwise kept, so a sorted graph stays as it is.
    """
    made = {output for node in graph.node for output in node.output}
    waiting = deque((node, _reads(node) & made) for node in graph.node)
    done: set[str] = set()
    ordered: list[NodeProto] = []
    stuck = 0
    while waiting and stuck < len(waiting):
        node, needs = waiting.popleft()
        if needs <= done:
            ordered.append(node)
            done.update(node.output)
            stuck = 0
        else:
            waiting.append((node, needs))
            stuck += 1
    if waiting:
        raise CheckpointError(f"the graph's nodes form a circle at {waiting[0][0].name!r}")
    _set_nodes(graph, ordered)


def prefix_names(graph: GraphProto, prefix: str) -> None:
    """Prefix every tensor and node name, in subgraphs too, so that nothing can collide."""
    for tensor in graph.initializer:
        tensor.name = prefix + tensor.name
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = prefix + value.name
    for node in graph.node:
        node.name = prefix + node.name if node.name else ""
        node.input[:] = [prefix + name if name else "" for name in node.input]
        node.output[:] = [prefix + name if name else "" for name in node.output]
        for subgraph in _subgraphs(node):
            prefix_names(subgraph, prefix)


def drop_unused(graph: GraphProto) -> None:
    """Remove what no output is computed from: nodes in topological order, and initializers."""
    needed = {value.name for value in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed |= _reads(node)
    _set_nodes(graph, reversed(kept))
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    if len(constants) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(constants)


def size_masks_by_input(graph: GraphProto, x: str, x_lens: str) -> None:
    """Let padding masks span x.shape[1] frames where they spanned the longest row.

    Conformer, CTC and older zipformer exports build their mask as arange(max(lens of x_lens)),
    which no longer fits once x is padded beyond its longest row. The same arithmetic on x.shape[1]
    gives the length that fits, and gives the same length where nothing is padded.
    """
    pure = _descendants(graph, x_lens) - _descendants(graph, x)
    for reduction in [node for node in graph.node if node.op_type == "ReduceMax"]:
        if reduction.input[0] in pure:
            chain = pure & _ancestors(graph, reduction.input[0])
            _measure_width(graph, reduction, chain, (x, x_lens))


def _measure_width(
    graph: GraphProto, reduction: NodeProto, chain: set[str], names: tuple[str, str]
) -> None:
    """Feed the reduction the width of x, sent through a copy of the arithmetic on x_lens."""
    x, x_lens = names
    dtype = next(value.type.tensor_type.elem_type for value in graph.input if value.name == x_lens)
    prefix = f"{reduction.output[0]}/width/"
    axis = numpy_helper.from_array(np.array([1]), f"{prefix}axis")
    graph.initializer.append(axis)
    added = [
        helper.make_node("Shape", [x], [f"{prefix}shape"]),
        helper.make_node("Gather", [f"{prefix}shape", axis.name], [f"{prefix}frames"]),
        helper.make_node("Cast", [f"{prefix}frames"], [prefix + x_lens], to=dtype),
    ]
    for node in graph.node:
        if chain.intersection(node.output):
            copy = NodeProto()
            copy.CopyFrom(node)
            copy.ClearField("name")
            copy.input[:] = [prefix + name if name in chain else name for name in node.input]
            copy.output[:] = [prefix + name for name in node.output]
            added.append(copy)
    reduction.input[0] = prefix + reduction.input[0]
    _replace(graph, reduction, [*added, reduction])


def inline_paddings(graph: GraphProto) -> None:
    """Take "append padding if some is missing" out of its If: appending nothing is the same.

    Scripted zipformer2 exports write their downsampling so; TensorRT cannot compile an If.
    """
    for node in [node for node in graph.node if node.op_type == "If" and len(node.output) == 1]:
        branches = {attribute.name: attribute.g for attribute in node.attribute}
        then_branch, else_branch = branches["then_branch"], branches["else_branch"]
        if _appends(then_branch, _passed_through(else_branch)):
            result = helper.make_node("Identity", [then_branch.output[0].name], list(node.output))
            graph.initializer.extend(then_branch.initializer)
            _replace(graph, node, [*then_branch.node, result])


def _passed_through(branch: GraphProto) -> str | None:
    """The outer tensor that the branch returns as it is."""
    if [node.op_type for node in branch.node] != ["Identity"]:
        return None
    return str(branch.node[0].input[0])


def _appends(branch: GraphProto, tensor: str | None) -> bool:
    """Whether the branch returns the tensor with something after it."""
    producer = next((n for n in branch.node if branch.output[0].name in n.output), None)
    return producer is not None and producer.op_type == "Concat" and producer.input[0] == tensor


def _replace(graph: GraphProto, old: NodeProto, new: Iterable[NodeProto]) -> None:
    position = next(i for i, node in enumerate(graph.node) if node is old)
    _set_nodes(graph, [*graph.node[:position], *new, *graph.node[position + 1 :]])


def _set_nodes(graph: GraphProto, nodes: Iterable[NodeProto]) -> None:
    kept = list(nodes)
    del graph.node[:]
    graph.node.extend(kept)


def _descendants(graph: GraphProto, source: str) -> set[str]:
    """The source and every tensor computed from it; the nodes are in topological order."""
    found = {source}
    for node in graph.node:
        if found.intersection(_reads(node)):
            found.update(node.output)
    return found


def _ancestors(graph: GraphProto, tensor: str) -> set[str]:
    """The tensor and everything it is computed from."""
    found = {tensor}
    for node in reversed(graph.node):
        if found.intersection(node.output):
            found.update(_reads(node))
    return found


def _reads(node: NodeProto) -> set[str]:
    """Inputs of the node, and of the nodes in its subgraphs."""
    inner = (name for graph in _subgraphs(node) for child in graph.node for name in _reads(child))
    return {*node.input, *inner}


def _subgraphs(node: NodeProto) -> list[GraphProto]:
    return [attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH]
