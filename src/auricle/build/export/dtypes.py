"""Of what type each tensor of a graph is."""

import onnx
from onnx import helper

from auricle.build.export.surgery import sort_nodes

LARGE = 1024  # bytes; larger tensors are weights, of which inference needs the type alone


def tensor_types(model: onnx.ModelProto) -> dict[str, int]:
    """ONNX's element type of the graph's own tensors by name, where it can be inferred."""
    graph = model.graph
    skeleton = onnx.ModelProto(ir_version=model.ir_version)
    skeleton.opset_import.extend(model.opset_import)
    skeleton.functions.extend(model.functions)
    skeleton.graph.name = "skeleton"
    skeleton.graph.node.extend(graph.node)
    sort_nodes(skeleton.graph)  # the usual float16 converters append theirs
    skeleton.graph.output.extend(graph.output)
    skeleton.graph.input.extend(graph.input)
    given = {value.name for value in graph.input}
    found = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for tensor in graph.initializer:
        if tensor.ByteSize() <= LARGE:
            skeleton.graph.initializer.append(tensor)
        elif tensor.name not in given:
            value = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            skeleton.graph.input.append(value)
    inferred = onnx.shape_inference.infer_shapes(skeleton).graph
    for value in (*inferred.input, *inferred.output, *inferred.value_info):
        if value.type.tensor_type.elem_type:
            found[value.name] = value.type.tensor_type.elem_type
    return found
