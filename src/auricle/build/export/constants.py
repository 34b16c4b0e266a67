"""What a graph does not compute: its constants, all in one place and of one type."""

from onnx import GraphProto, TensorProto, numpy_helper

from auricle.build.export.surgery import drop_unused, set_nodes


def lift_constants(graph: GraphProto) -> None:
    """Constant nodes that hold a tensor become initializers; those in branches stay."""
    kept = []
    for node in graph.node:
        tensors = [each.t for each in node.attribute if each.name == "value"]
        if node.op_type == "Constant" and tensors:
            tensor = graph.initializer.add()
            tensor.CopyFrom(tensors[0])
            tensor.name = node.output[0]
        else:
            kept.append(node)
    set_nodes(graph, kept)


def widen_stored(graph: GraphProto) -> None:
    """Weights that are stored in float16 and cast before they are read become float32 ones."""
    stored = {
        tensor.name: tensor
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT16
    }
    kept = []
    for node in graph.node:
        to = [each.i for each in node.attribute if each.name == "to"]
        if node.op_type == "Cast" and node.input[0] in stored and to == [TensorProto.FLOAT]:
            values = numpy_helper.to_array(stored[node.input[0]]).astype("float32")
            graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        else:
            kept.append(node)
    set_nodes(graph, kept)
    drop_unused(graph)
