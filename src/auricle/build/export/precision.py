"""A published float32 graph in the arithmetic that was asked for, before it is adapted.

Dynamic int8: the weights of MatMul and Gemm become signed integers with a scale a column, their
other operand is quantised as it comes, by its own range. Features and convolutions stay float32.
Weights have 7 bits, for with 8 the sum of two products overflows 16 bits on x86 without VNNI: the
model would be worse there than where it was judged (docs/decisions/0008-int8.md).
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnx import TensorProto

from auricle.build.export.graph import Graph, Precision, load_graph
from auricle.errors import CheckpointError

OP_TYPES = ("MatMul", "Gemm")
MIN_OPSET = 11  # older graphs would be converted behind the caller's back


def at_precision(graph: Graph, precision: Precision) -> Graph:
    """The graph itself where it is so already or fp32 was asked, else its int8 form.

    CheckpointError for what cannot be made here: fp16, and int8 from anything but fp32.
    """
    if precision in ("fp32", graph.precision):
        return graph
    if precision == "fp16":
        raise CheckpointError(
            f"{graph.path.name} is {graph.precision}, and fp16 is not made here yet; "
            "--precision fp16 takes a checkpoint's own fp16 files"
        )
    return quantize(graph)


def quantize(graph: Graph) -> Graph:
    """The weights in int8, ports and opset as they were; the graph itself if it is int8 already.

    CheckpointError unless it is fp32 and of opset 11 or newer.
    """
    if graph.precision == "int8":
        return graph
    if graph.precision != "fp32":
        raise CheckpointError(
            f"{graph.path.name} is {graph.precision}; int8 is made from fp32: name the "
            "checkpoint's fp32 files"
        )
    if graph.opset < MIN_OPSET:
        raise CheckpointError(
            f"{graph.path.name} has opset {graph.opset}; int8 is made from opset {MIN_OPSET} or "
            "newer: export it again"
        )
    model = _quantize(graph.model)
    model.ir_version = graph.model.ir_version
    del model.graph.value_info[:]  # the quantiser's guesses; and it leaves its marks in metadata
    del model.metadata_props[:]
    model.metadata_props.extend(graph.model.metadata_props)
    return Graph(graph.path, model, graph.inputs, graph.outputs, graph.metadata)


def _quantize(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            copy,
            path,
            op_types_to_quantize=list(OP_TYPES),
            per_channel=True,
            weight_type=QuantType.QInt8,
            reduce_range=True,
            # Branches too; and what shape inference cannot type is float, as weights are.
            extra_options={"EnableSubgraph": True, "DefaultTensorType": TensorProto.FLOAT},
        )
        return load_graph(path).model


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser gives its advice by the root logger, which it would also set up."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    root.addFilter(_refuse)
    try:
        yield
    finally:
        root.removeFilter(_refuse)
        root.removeHandler(handler)


def _refuse(_record: logging.LogRecord) -> bool:
    return False
