"""Repairs of published graphs that change no result: opset, names, padding masks, branches."""

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, helper, numpy_helper, version_converter

from auricle.build.export.graph import Graph
from auricle.build.export.surgery import ancestors, descendants, replace, sort_nodes
from auricle.errors import CheckpointError

MIN_OPSET, MAX_OPSET = 13, 18  # what the nodes put around a graph need; what every server reads
MAX_BFLOAT_OPSET = 22  # the first whose Conv takes bfloat16; TensorRT alone reads those


def sanitize(graph: Graph) -> onnx.ModelProto:
    """A repaired copy of an encoder; its inputs and outputs keep their names."""
    model = at_known_opset(graph, graph.model)
    size_masks_by_input(model.graph, *(port.name for port in graph.inputs[:2]))
    inline_paddings(model.graph)
    return model


def at_known_opset(graph: Graph, published: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model at opset 13 to 18; CheckpointError where onnx cannot convert it.

    published: the graph's model, or an edited one.  bfloat16 may have opset 22.
    """
    model = onnx.ModelProto()
    model.CopyFrom(published)
    del model.graph.value_info[:]  # exporters give two lengths one symbol; nobody needs these
    sort_nodes(model.graph)
    opset = graph.opset
    newest = MAX_BFLOAT_OPSET if graph.precision == "bf16" else MAX_OPSET
    target = max(MIN_OPSET, min(opset, newest))
    if opset == target:
        return model
    try:
        return version_converter.convert_version(model, target)
    except RuntimeError as error:
        raise CheckpointError(
            f"{graph.path.name} has ONNX opset {opset}, which does not convert to {target} "
            f"({error}); export it again with opset {MIN_OPSET} to {MAX_OPSET}"
        ) from error


def size_masks_by_input(graph: GraphProto, x: str, x_lens: str) -> None:
    """Let padding masks span x.shape[1] frames where they spanned the longest row.

    Conformer, CTC and older zipformer exports build their mask as arange(max(lens of x_lens)),
    which no longer fits once x is padded beyond its longest row. The same arithmetic on x.shape[1]
    gives the length that fits, and gives the same length where nothing is padded.
    """
    pure = descendants(graph, x_lens) - descendants(graph, x)
    for reduction in [node for node in graph.node if node.op_type == "ReduceMax"]:
        if reduction.input[0] in pure:
            chain = pure & ancestors(graph, reduction.input[0])
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
    replace(graph, reduction, [*added, reduction])


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
            replace(graph, node, [*then_branch.node, result])


def _passed_through(branch: GraphProto) -> str | None:
    """The outer tensor that the branch returns as it is."""
    if [node.op_type for node in branch.node] != ["Identity"]:
        return None
    return str(branch.node[0].input[0])


def _appends(branch: GraphProto, tensor: str | None) -> bool:
    """Whether the branch returns the tensor with something after it."""
    producer = next((n for n in branch.node if branch.output[0].name in n.output), None)
    return producer is not None and producer.op_type == "Concat" and producer.input[0] == tensor
