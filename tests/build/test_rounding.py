"""float16 and bfloat16 in float32, rounded as numpy and ml_dtypes round them."""

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from auricle.build.export.rounding import rounded
from auricle.build.export.session import Session

pytestmark = pytest.mark.onnx

KINDS = [(TensorProto.FLOAT16, np.float16), (TensorProto.BFLOAT16, ml_dtypes.bfloat16)]


def make(dtype: int, *middle: onnx.NodeProto) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=dtype),
        *middle,
        helper.make_node("Cast", [middle[-1].output[0] if middle else "a"], ["y"], to=1),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in "xy")
    graph = helper.make_graph(nodes, "case", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(("dtype", "kind"), KINDS)
def test_every_size_of_number_is_rounded_as_by_a_cast(dtype: int, kind: type) -> None:
    rng = np.random.default_rng(0)
    sizes = 10.0 ** rng.uniform(-9, 9, 20000) * rng.choice([-1, 1], 20000)
    edges = [0, 65503, 65504, 65519.99, 65520, -65520, np.inf, -np.inf, 6.1e-5, 5.96e-8, 2.9e-8,
             2049, 2051, 1e-30, 1e33]  # fmt: skip
    x = np.array([*sizes, *edges], np.float32)
    y = Session(rounded(make(dtype))).run({"x": x})["y"]
    np.testing.assert_array_equal(y, x.astype(kind).astype(np.float32))


def test_a_square_that_float16_has_not_is_infinite() -> None:
    model = make(TensorProto.FLOAT16, helper.make_node("Mul", ["a", "a"], ["b"]))
    y = Session(rounded(model)).run({"x": np.array([100, 800], np.float32)})["y"]
    np.testing.assert_array_equal(y, [10000, np.inf])


def test_a_graph_of_float32_is_left_alone() -> None:
    model = make(TensorProto.FLOAT)
    assert rounded(model) is model
