"""What a graph computes of inputs that never change, apart from what it computes of the others."""

from collections.abc import Collection
from dataclasses import dataclass

from onnx import GraphProto, NodeProto, TensorProto

from auricle.build.export.graph import INTEGERS
from auricle.build.export.surgery import reads, set_nodes, subgraphs


@dataclass(frozen=True)
class Hoisted:
    """nodes: those that only the given inputs and constants decide, in their order.

    results: tensors of theirs, or given ones, that the other nodes read; none of integers.
    """

    nodes: list[NodeProto]
    results: list[str]


def hoist(graph: GraphProto, given: Collection[str]) -> Hoisted:
    """Find them; the nodes are in topological order."""
    constants = {tensor.name for tensor in graph.initializer}
    early, integers = set(given), set[str]()
    nodes = []
    for node in graph.node:
        inputs = {name for name in node.input if name}
        if subgraphs(node) or not inputs <= early | constants:
            continue
        if inputs & early:
            nodes.append(node)
            early.update(node.output)
            if _gives_integers(node, inputs & early <= integers):
                integers.update(node.output)
        else:
            constants.update(node.output)
    return Hoisted(nodes, _results(graph, nodes, early, integers))


def leave(graph: GraphProto, hoisted: Hoisted) -> None:
    """Take out of the graph what makes the results: they are given now."""
    results = set(hoisted.results)
    set_nodes(graph, [node for node in graph.node if not results.intersection(node.output)])


def constant_nodes(graph: GraphProto) -> list[NodeProto]:
    """Nodes that no input decides."""
    constants = {tensor.name for tensor in graph.initializer}
    found = []
    for node in graph.node:
        if not subgraphs(node) and {name for name in node.input if name} <= constants:
            constants.update(node.output)
            found.append(node)
    return found


def _gives_integers(node: NodeProto, of_integers: bool) -> bool:
    if node.op_type == "Cast":
        return next(each.i for each in node.attribute if each.name == "to") in INTEGERS
    if node.op_type == "ConstantOfShape":
        kinds = {each.t.data_type for each in node.attribute}
        return bool(kinds) and kinds != {TensorProto.FLOAT}
    return of_integers or node.op_type in ("Shape", "Size")


def _results(
    graph: GraphProto, nodes: list[NodeProto], early: set[str], integers: set[str]
) -> list[str]:
    """Sizes have no batch axis: where others need them, they are computed beside them again."""
    makers = {name: node for node in nodes for name in node.output}
    wanted = [
        name
        for node in graph.node
        if node.output[0] not in makers
        for name in sorted(reads(node))
        if name in early
    ]
    results: dict[str, None] = {}
    seen = set()
    while wanted:
        name = wanted.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name in integers:
            wanted += [each for each in makers[name].input if each in early]
        else:
            results[name] = None
    return list(results)
