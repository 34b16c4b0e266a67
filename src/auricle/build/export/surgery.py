"""Editing a graph's nodes: their order, their names, what reads what."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping

from onnx import AttributeProto, GraphProto, NodeProto

from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError


def sort_nodes(graph: GraphProto) -> None:
    """Producers before consumers, as ONNX asks; the usual float16 converters append theirs.

    The order is otherwise kept, so a sorted graph stays as it is.
    """
    made = {output for node in graph.node for output in node.output}
    waiting = deque((node, reads(node) & made) for node in graph.node)
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
    set_nodes(graph, ordered)


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
        for subgraph in subgraphs(node):
            prefix_names(subgraph, prefix)


def drop_unused(graph: GraphProto) -> None:
    """Remove what no output is computed from: nodes in topological order, and initializers."""
    needed = {value.name for value in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed |= reads(node)
    set_nodes(graph, reversed(kept))
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    if len(constants) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(constants)


def replace(graph: GraphProto, old: NodeProto, new: Iterable[NodeProto]) -> None:
    """Put nodes in the place of the one that makes old's first output."""
    made = old.output[0]
    position = next(i for i, node in enumerate(graph.node) if made in node.output)
    set_nodes(graph, [*graph.node[:position], *new, *graph.node[position + 1 :]])


def set_nodes(graph: GraphProto, nodes: Iterable[NodeProto]) -> None:
    kept = list(nodes)
    del graph.node[:]
    graph.node.extend(kept)


def descendants(graph: GraphProto, source: str) -> set[str]:
    """The source and every tensor computed from it; the nodes are in topological order."""
    found = {source}
    for node in graph.node:
        if found.intersection(reads(node)):
            found.update(node.output)
    return found


def ancestors(graph: GraphProto, tensor: str) -> set[str]:
    """The tensor and everything it is computed from."""
    found = {tensor}
    for node in reversed(graph.node):
        if found.intersection(node.output):
            found.update(reads(node))
    return found


def reads(node: NodeProto) -> set[str]:
    """Inputs of the node, and of the nodes in its subgraphs."""
    inner = (name for graph in subgraphs(node) for child in graph.node for name in reads(child))
    return {*node.input, *inner}


def subgraphs(node: NodeProto) -> list[GraphProto]:
    return [attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH]


def producers_of(graph: GraphProto) -> dict[str, NodeProto]:
    """The node behind each tensor."""
    return {name: node for node in graph.node for name in node.output}


def find_maker(
    producers: Mapping[str, NodeProto], tensor: str, passed_on: Collection[str]
) -> NodeProto | None:
    """The node whose values a tensor has, behind those that only pass them on; None of inputs."""
    node = producers.get(tensor)
    while node is not None and node.op_type in passed_on:
        node = producers.get(node.input[0])
    return node


def rename_reads(graph: GraphProto, old: str, new: str) -> None:
    """Let everything that read one tensor read another, in branches and loops, too."""
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        for subgraph in subgraphs(node):
            rename_reads(subgraph, old, new)
    for output in graph.output:
        output.name = new if output.name == old else output.name


def read_ints(node: NodeProto, name: str) -> list[int]:
    """An attribute; empty where the node has none."""
    return next((list(each.ints) for each in node.attribute if each.name == name), [])


def insert_after(graph: GraphProto, place: NodeProto, added: Nodes) -> None:
    replace(graph, place, [place, *added.nodes])
    graph.initializer.extend(added.constants)


def insert_before(graph: GraphProto, place: NodeProto, added: Nodes) -> None:
    replace(graph, place, [*added.nodes, place])
    graph.initializer.extend(added.constants)
