"""Graphs with the inputs of a served encoder and next to nothing behind them."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

FLOAT, INT32, INT64 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    dtype: int = FLOAT,
) -> Path:
    """WAV [N, L], WAV_LENS [N] -> OUT, whatever it is."""
    value = helper.make_tensor_value_info
    inputs = [value("WAV", dtype, ["N", "L"]), value("WAV_LENS", INT32, ["N"])]
    graph = helper.make_graph(nodes, "graph", inputs, [value("OUT", dtype, None)], constants)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[opset]), path)
    return path


def save_any(path: Path, dtype: int = FLOAT) -> Path:
    """Takes every batch."""
    return save(path, [helper.make_node("Abs", ["WAV"], ["OUT"])], [], dtype)


def save_bounded(path: Path, batch: int) -> Path:
    """Takes batches of this size only."""
    shape = helper.make_tensor("shape", INT64, [2], [batch, 1600])
    return save(path, [helper.make_node("Reshape", ["WAV", "shape"], ["OUT"])], [shape])


def save_greedy(path: Path, factor: int) -> Path:
    """Wants so many times the memory of its audio."""
    nodes = [
        helper.make_node("Shape", ["WAV"], ["shape"]),
        helper.make_node("Mul", ["shape", "factors"], ["larger"]),
        helper.make_node("ConstantOfShape", ["larger"], ["OUT"]),
    ]
    return save(path, nodes, [helper.make_tensor("factors", INT64, [2], [1, factor])])


def save_stream(path: Path, window: int, state_size: int) -> Path:
    """CHUNK [N, window], STATE [N, state_size] -> OUT, NEW_STATE."""
    value = helper.make_tensor_value_info
    inputs = [value("CHUNK", FLOAT, ["N", window]), value("STATE", FLOAT, ["N", state_size])]
    outputs = [value("OUT", FLOAT, ["N", window]), value("NEW_STATE", FLOAT, ["N", state_size])]
    nodes = [
        helper.make_node("Abs", ["CHUNK"], ["OUT"]),
        helper.make_node("Abs", ["STATE"], ["NEW_STATE"]),
    ]
    graph = helper.make_graph(nodes, "graph", inputs, outputs)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[opset]), path)
    return path
