"""Tables of positions, which end the audio that a graph can take."""

import onnx
from onnx import TensorProto

from auricle.build.export.graph import Graph

MIN_ROWS = 1000  # smaller tables are something else; and a minute shows them anyway
READERS = ("Slice", "Gather")


def table_lengths(graph: Graph) -> list[int]:
    """Frames of the encoder that its tables of positions hold, the shortest first.

    A table of 2 P - 1 rows holds the distances of P frames.
    """
    tables = _tables(graph.model.graph)
    nodes = (node for node in graph.model.graph.node if node.op_type in READERS)
    read = (tables.get(node.input[0]) for node in nodes)
    return sorted({(rows + 1) // 2 if rows % 2 else rows for rows in read if rows})


def _tables(graph: onnx.GraphProto) -> dict[str, int]:
    """Rows of each constant matrix that is long enough, by name."""
    constants = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant":
            constants += [(node.output[0], a.t) for a in node.attribute if a.name == "value"]
    return {
        name: tensor.dims[-2]
        for name, tensor in constants
        if len(tensor.dims) > 1
        and tensor.dims[-2] >= MIN_ROWS
        and tensor.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
    }
