"""Feature extraction as a model of its own."""

from collections.abc import Callable

import onnx
from onnx import TensorProto, helper

from auricle.build.frontend.nodes import Nodes

AddFeatures = Callable[[Nodes, str, str], tuple[str, str]]


def make_front(add: AddFeatures, size: int, opset: int = 13) -> onnx.ModelProto:
    """WAV [N, L], WAV_LENS [N] -> features [N, T, size], num_frames [N]; add: as add_fbank."""
    nodes = Nodes("front/")
    lens = nodes.add("Cast", "WAV_LENS", to=TensorProto.INT64)
    features, num_frames = add(nodes, "WAV", lens)
    nodes.name(features, "features")
    nodes.name(num_frames, "num_frames")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes.nodes,
        "front",
        [value("WAV", TensorProto.FLOAT, ["N", "L"]), value("WAV_LENS", TensorProto.INT32, ["N"])],
        [
            value("features", TensorProto.FLOAT, ["N", "T", size]),
            value("num_frames", TensorProto.INT64, ["N"]),
        ],
        nodes.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return model
