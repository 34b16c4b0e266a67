"""Repairs of published graphs: opset, names, and masks that break when a batch is padded."""

import numpy as np
import onnx
from onnx import (
    AttributeProto,
    GraphProto,
    NodeProto,
    helper,
    numpy_helper,
    version_converter,
)

from auricle.build.export.graph import Graph
from auricle.errors import CheckpointError

MIN_OPSET, MAX_OPSET = 13, 18  # what the nodes put around a graph need; what every server reads


def sanitize(graph: Graph) -> onnx.ModelProto:
    """A repaired copy that computes the same; its inputs and outputs keep their names."""
    model = at_known_opset(graph)
    if len(graph.inputs) == 2:
        size_masks_by_input(model.graph, *(port.name for port in graph.inputs))
    return model


def at_known_opset(graph: Graph) -> onnx.ModelProto:
    """A copy of the model, its opset between 13 and 18; CheckpointError where onnx cannot convert."""
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    del model.graph.value_info[:]  # exporters give two lengths one symbol; nobody needs these
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if MIN_OPSET <= opset <= MAX_OPSET:
        return model
    target = max(MIN_OPSET, min(opset, MAX_OPSET))
    try:
        return version_converter.convert_version(model, target)
    except RuntimeError as error:
        raise CheckpointError(
            f"{graph.path.name} has ONNX opset {opset}, which does not convert to {target} "
            f"({error}); export it again with opset {MIN_OPSET} to {MAX_OPSET}"
        ) from error


def prefix_names(graph: GraphProto, prefix: str) -> None:
    """Prefix every tensor and node name, in subgraphs too, so that nothing can collide."""
    for tensor in graph.initializer:
        tensor.name = prefix + tensor.name
    for sparse in graph.sparse_initializer:
        sparse.values.name = prefix + sparse.values.name
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = prefix + value.name
    for node in graph.node:
        node.name = prefix + node.name
        node.input[:] = [prefix + name if name else "" for name in node.input]
        node.output[:] = [prefix + name if name else "" for name in node.output]
        for subgraph in subgraphs(node):
            prefix_names(subgraph, prefix)


def subgraphs(node: NodeProto) -> list[GraphProto]:
    found = [a.g for a in node.attribute if a.type == AttributeProto.GRAPH]
    return found + [g for a in node.attribute if a.type == AttributeProto.GRAPHS for g in a.graphs]


def size_masks_by_input(graph: GraphProto, x: str, x_lens: str) -> None:
    """Let padding masks span x.shape[1] frames where they spanned the longest row.

    Conformer and CTC exports build their mask as arange(max(subsampled x_lens)), which no longer fits
    once x is padded beyond its longest row. The same arithmetic on x.shape[1] gives the length that
    fits, and gives the same length where nothing is padded.
    """
    producers = {output: node for node in graph.node for output in node.output}
    for reduction in [node for node in graph.node if node.op_type == "ReduceMax"]:
        chain = _arithmetic_on(x_lens, reduction.input[0], producers, {x})
        if chain:
            _measure_width(graph, reduction, chain, (x, x_lens))


def _arithmetic_on(
    source: str, tensor: str, producers: dict[str, NodeProto], foreign: set[str]
) -> list[str]:
    """Names of the tensors on the way from source to tensor; empty if a foreign one has a say."""
    pending, seen = [tensor], set[str]()
    while pending:
        name = pending.pop()
        if name in foreign:
            return []
        if name in seen:
            continue
        seen.add(name)
        node = producers.get(name)
        if node is not None:
            pending += [name for name in node.input if name]
    return [name for name in seen if _descends(name, source, producers)]


def _descends(name: str, source: str, producers: dict[str, NodeProto]) -> bool:
    if name == source:
        return True
    node = producers.get(name)
    return node is not None and any(_descends(parent, source, producers) for parent in node.input)


def _measure_width(
    graph: GraphProto, reduction: NodeProto, chain: list[str], names: tuple[str, str]
) -> None:
    """Feed the reduction the width of x, sent through a copy of the arithmetic on x_lens."""
    x, x_lens = names
    dtype = next(value.type.tensor_type.elem_type for value in graph.input if value.name == x_lens)
    prefix = f"{reduction.output[0]}/width/"
    column = numpy_helper.from_array(np.array([1]), f"{prefix}axis")
    graph.initializer.append(column)
    added = [
        helper.make_node("Shape", [x], [f"{prefix}shape"]),
        helper.make_node("Gather", [f"{prefix}shape", column.name], [f"{prefix}frames"]),
        helper.make_node("Cast", [f"{prefix}frames"], [prefix + x_lens], to=dtype),
    ]
    for node in graph.node:
        if any(output in chain for output in node.output):
            copy = NodeProto()
            copy.CopyFrom(node)
            copy.name = prefix + node.name
            copy.input[:] = [prefix + name if name in chain else name for name in node.input]
            copy.output[:] = [prefix + name for name in node.output]
            added.append(copy)
    reduction.input[0] = prefix + reduction.input[0]
    position = list(graph.node).index(reduction)
    nodes = [*graph.node[:position], *added, *graph.node[position:]]
    del graph.node[:]
    graph.node.extend(nodes)
