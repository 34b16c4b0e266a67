"""What is known before a graph runs is computed; nothing else changes."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from auricle.build.export.folding import fold
from auricle.build.export.graph import load_graph
from auricle.build.export.resemblance import largest_of, random_inputs
from auricle.cli import create_app

pytestmark = pytest.mark.onnx

ASSETS = Path(__file__).parents[2] / "assets"


def branch(factor: float, prefix: str) -> onnx.GraphProto:
    value = numpy_helper.from_array(np.array(factor, np.float32), f"{prefix}factor")
    node = helper.make_node("Mul", ["x", value.name], [f"{prefix}y"])
    y = helper.make_tensor_value_info(f"{prefix}y", TensorProto.FLOAT, None)
    return helper.make_graph([node], prefix, [], [y], [value])


def make(then: float, other: float, *, known: bool) -> onnx.ModelProto:
    nodes = [] if known else [helper.make_node("Greater", ["total", "zero"], ["condition"])]
    constants = [numpy_helper.from_array(np.array(0, np.float32), "zero")]
    if known:
        constants.append(numpy_helper.from_array(np.array(True), "yes"))
        nodes.append(helper.make_node("Not", ["yes"], ["no"]))
        nodes.append(helper.make_node("Not", ["no"], ["condition"]))
    nodes.insert(0, helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0))
    nodes.append(helper.make_node("If", ["condition"], ["y"], then_branch=branch(then, "then/"),
                                  else_branch=branch(other, "else/")))  # fmt: skip
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy")
    graph = helper.make_graph(nodes, "case", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("then", "other", "known", "num_left"),
    [(2, 3, True, 0), (2, 2, False, 0), (2, 3, False, 1)],
)
def test_a_decided_branch_takes_the_place_of_its_if(
    then: float, other: float, known: bool, num_left: int, tmp_path: Path
) -> None:
    model = make(then, other, known=known)
    onnx.save(model, tmp_path / "model.onnx")
    fold(model)
    onnx.checker.check_model(model)
    assert Counter(node.op_type for node in model.graph.node)["If"] == num_left
    original = load_graph(tmp_path / "model.onnx")
    assert largest_of(original, model, random_inputs(original)) == 0


@pytest.mark.parametrize(
    "name",
    ["icefall-ctc/model.onnx", "nemo-ctc/model.onnx", "paraformer/model.onnx",
     "wenet-u2/decoder.onnx"],
)  # fmt: skip
def test_a_trained_graph_loses_a_third_of_its_nodes_and_no_bit(name: str) -> None:
    original = load_graph(ASSETS / name)
    model = onnx.ModelProto()
    model.CopyFrom(original.model)
    fold(model)
    assert len(model.graph.node) < 0.67 * len(original.model.graph.node)
    assert largest_of(original, model, random_inputs(original)) == 0
    assert [*model.graph.input] == [*original.model.graph.input]
    assert [*model.graph.output] == [*original.model.graph.output]


def test_the_command_prints_nodes_before_and_after(tmp_path: Path) -> None:
    out = tmp_path / "folded.onnx"
    graph = ASSETS / "icefall-ctc" / "model.onnx"
    result = CliRunner().invoke(create_app(), ["sanitize", str(graph), "-o", str(out)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "before    1139 nodes, 0 If, 0 Loop"
    assert lines[1] == "after     754 nodes, 0 If, 0 Loop"
    assert lines[2] == "parity    to the original on random inputs: equal bit for bit"
    assert load_graph(out).inputs == load_graph(graph).inputs
