"""Rows of a batch, counted by what is at hand."""

from onnx import GraphProto, NodeProto, helper, numpy_helper

from auricle.build.export.surgery import descendants, producers_of, set_nodes


def count_rows(graph: GraphProto, tokens: str, hidden: str) -> None:
    """Let the audio tell the number of rows wherever something made of the tokens did.

    transformers shapes keys and values by the batch axis of the decoder's own states (axis 0 of
    them all). Without that, no layer would have to run for the keys of the next one.

    tokens, hidden: inputs with as many rows.
    """
    made = descendants(graph, tokens)
    producers = producers_of(graph)
    shape = f"{hidden}/shape"
    changed = False
    for node in graph.node:
        maker = producers.get(node.input[0]) if node.op_type == "Gather" else None
        is_shape = maker is not None and maker.op_type == "Shape" and maker.input[0] in made
        if is_shape and _constant(graph, producers, node.input[1]) == 0:
            node.input[0] = shape
            changed = True
    if changed:
        set_nodes(graph, [helper.make_node("Shape", [hidden], [shape]), *graph.node])


def _constant(graph: GraphProto, producers: dict[str, NodeProto], name: str) -> int | None:
    """The value of a constant of one integer."""
    tensors = [tensor for tensor in graph.initializer if tensor.name == name]
    maker = producers.get(name)
    if maker is not None and maker.op_type == "Constant":
        tensors = [each.t for each in maker.attribute if each.name == "value"]
    values = [numpy_helper.to_array(tensor) for tensor in tensors]
    return int(values[0].item()) if values and values[0].size == 1 else None
