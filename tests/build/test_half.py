"""Graphs made float16 here: what may lose digits does, what may not stays float32."""

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.export import rounding
from auricle.build.export.graph import Graph, load_graph
from auricle.build.export.half import halve
from auricle.build.export.precision import Arithmetic, at_precision
from auricle.build.export.session import Array, Session
from auricle.build.families import Options
from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError
from tests.build import tiny, tiny_nemo
from tests.families.checkpoints import WRITERS

pytestmark = pytest.mark.onnx

ASSETS = Path(__file__).parents[2] / "assets"
HALF = Arithmetic("fp16")
DIM = 16
Floats = npt.NDArray[np.float32]


def model_of(nodes: Nodes, result: str, *inputs: onnx.ValueInfoProto) -> onnx.ModelProto:
    nodes.name(result, "y")
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", "c"])
    graph = helper.make_graph(nodes.nodes, "case", list(inputs), [y], nodes.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def speech() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "T", DIM])


def add_product(nodes: Nodes, x: str, seed: int = 0, scale: float = 1) -> str:
    weights = np.eye(DIM) + np.random.default_rng(seed).normal(0, 1e-3, (DIM, DIM))
    return nodes.add("MatMul", x, nodes.floats(weights * scale))


def both(model: onnx.ModelProto, inputs: dict[str, Array]) -> tuple[Floats, Floats]:
    """y in float32, and as it is halved."""
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    assert halve(halved) >= 1
    onnx.checker.check_model(halved, full_check=True)
    before, after = (Session(each).run(inputs)["y"] for each in (model, halved))
    return before.astype(np.float32), after.astype(np.float32)


def add_norm(nodes: Nodes, x: str, epsilon: float = 1e-5) -> str:
    """LayerNormalization as exporters of before opset 17 write it."""
    centred = nodes.add("Sub", x, nodes.add("ReduceMean", x, axes=[-1]))
    squares = nodes.add("Pow", centred, nodes.floats(2))
    variance = nodes.add("ReduceMean", squares, axes=[-1])
    spread = nodes.add("Sqrt", nodes.add("Add", variance, nodes.floats(epsilon)))
    return nodes.add("Div", centred, spread)


def loud() -> Array:
    """Values of 800, whose squares are ten times what float16 can hold."""
    values = np.random.default_rng(0).choice([-800, 800], (1, 5, DIM))
    return np.asarray(values + np.random.default_rng(1).normal(0, 9, values.shape), np.float32)


def test_a_norm_of_large_values_stays_right() -> None:
    nodes = Nodes("")
    normal = add_norm(nodes, add_product(nodes, "x"))
    before, after = both(model_of(nodes, add_product(nodes, normal), speech()), {"x": loud()})
    np.testing.assert_allclose(after, before, atol=5e-3)


def test_a_whole_graph_in_float16_is_silently_wrong_there() -> None:
    nodes = Nodes("")
    normal = add_norm(nodes, add_product(nodes, "x"))
    model = model_of(nodes, add_product(nodes, normal), speech())
    wrong = convert_float_to_float16(model, keep_io_types=True)
    before, after = (Session(each).run({"x": loud()})["y"] for each in (model, wrong))
    assert np.isfinite(after).all()
    assert np.abs(before).min() > 0.5
    assert np.abs(after).max() == 0  # everything over the root of infinity


def test_a_square_by_mul_stays_right() -> None:
    nodes = Nodes("")
    x = add_product(nodes, "x")
    mean = nodes.add("ReduceMean", nodes.add("Mul", x, x), axes=[-1])
    result = add_product(nodes, nodes.add("Div", x, nodes.add("Sqrt", mean)))
    before, after = both(model_of(nodes, result, speech()), {"x": loud()})
    np.testing.assert_allclose(after, before, atol=5e-3)


def test_an_exponential_of_large_values_stays_right() -> None:
    """The swoosh of a zipformer, log(1 + exp(x - 4)), overflows beyond 15."""
    nodes = Nodes("")
    x = nodes.add("Sub", add_product(nodes, "x"), nodes.floats(4))
    swoosh = nodes.add("Log", nodes.add("Add", nodes.add("Exp", x), nodes.floats(1)))
    x32 = np.full((1, 5, DIM), 40, np.float32)
    before, after = both(model_of(nodes, add_product(nodes, swoosh), speech()), {"x": x32})
    np.testing.assert_allclose(after, before, rtol=2e-3)


def test_an_epsilon_of_1e_12_stays_one() -> None:
    nodes = Nodes("")
    result = add_product(nodes, add_norm(nodes, add_product(nodes, "x"), 1e-12))
    silence = np.zeros((1, 5, DIM), np.float32)
    before, after = both(model_of(nodes, result, speech()), {"x": silence})
    assert (before == 0).all()
    assert (after == 0).all()  # and no 0 / 0


LENS = helper.make_tensor_value_info("lens", TensorProto.INT64, ["N"])


def add_scores(nodes: Nodes) -> str:
    x = add_product(nodes, "x")
    keys = nodes.add("Transpose", add_product(nodes, "x", 1), perm=[0, 2, 1])
    return nodes.add("MatMul", x, keys)


def add_hidden(nodes: Nodes) -> str:
    """bool [N, 1, T]."""
    width = nodes.slice(nodes.add("Shape", "x"), 1, 2, axis=0)
    width = nodes.add("Squeeze", width, nodes.ints([0]))
    frames = nodes.add("Range", nodes.ints(0), width, nodes.ints(1))
    lens = nodes.add("Unsqueeze", "lens", nodes.ints([1, 2]))
    return nodes.add("GreaterOrEqual", frames, lens)


@pytest.mark.parametrize("lowest", [-1e9, -1e4, float(np.finfo(np.float32).min), -np.inf])
@pytest.mark.parametrize("how", ["Where", "Add", "Reshape", "Twice"])
def test_masks_stay_masks(how: str, lowest: float) -> None:
    nodes = Nodes("")
    scores, hidden = add_scores(nodes), add_hidden(nodes)
    if how == "Where":
        scores = nodes.add("Where", hidden, nodes.floats(lowest), scores)
    else:
        term = nodes.add("Where", hidden, nodes.floats(lowest), nodes.floats(0))
        for _ in range(2 if how == "Twice" else 1):
            scores = nodes.add("Add", scores, term)
        if how == "Reshape":
            scores = nodes.add("Reshape", scores, nodes.ints([0, 0, -1]))
    result = nodes.add("MatMul", nodes.add("Softmax", scores, axis=-1), add_product(nodes, "x", 2))
    x = np.random.default_rng(0).normal(size=(2, 6, DIM)).astype(np.float32)
    x[1, 3:] = 1000  # what a mask must hide
    inputs: dict[str, Array] = {"x": x, "lens": np.array([6, 3])}
    before, after = both(model_of(nodes, result, speech(), LENS), inputs)
    np.testing.assert_allclose(after[:, :3], before[:, :3], rtol=1e-2, atol=1e-2)


def test_a_row_that_is_hidden_whole_is_still_a_number() -> None:
    """Where float32 has -1e9 it is a mean of what is hidden; infinities would give NaN."""
    nodes = Nodes("")
    term = nodes.add("Where", add_hidden(nodes), nodes.floats(-1e9), nodes.floats(0))
    scores = nodes.add("Transpose", nodes.add("Add", add_scores(nodes), term), perm=[0, 1, 2])
    result = nodes.add("MatMul", nodes.add("Softmax", scores, axis=-1), add_product(nodes, "x", 2))
    x = np.random.default_rng(0).normal(size=(1, 6, DIM)).astype(np.float32)
    _, after = both(model_of(nodes, result, speech(), LENS), {"x": x, "lens": np.array([0])})
    assert np.isfinite(after).all()


def test_sums_over_an_utterance_stay_exact() -> None:
    """Of CIF: 0.3 a frame over 4000 frames."""
    nodes = Nodes("")
    x = add_product(nodes, "x")
    weight = nodes.floats(np.full((DIM, 1), 0.3 / DIM))
    total = nodes.add("CumSum", nodes.add("MatMul", x, weight), nodes.ints(1))
    result = nodes.add("Mul", total, nodes.floats(1))
    ones = np.ones((1, 4000, DIM), np.float32)
    before, after = both(model_of(nodes, result, speech()), {"x": ones})
    np.testing.assert_allclose(after[0, -1], before[0, -1], rtol=1e-3)
    assert len(np.unique(after)) > 3900


@pytest.fixture(scope="module")
def nemo(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    folder = tiny_nemo.write_ctc(tmp_path_factory.mktemp("nemo") / "checkpoint")
    return load_graph(next(folder.glob("*.onnx")))


@pytest.mark.parametrize("length", [2049, 4095, 6001])
def test_lengths_over_2048_stay_exact(length: int) -> None:
    """NeMo computes them in float: (length + 2 - 3) / 2 + 1, rounded down."""
    nodes = Nodes("")
    lens = nodes.add("Cast", "lens", to=TensorProto.FLOAT)
    halves = nodes.add("Mul", nodes.add("Add", lens, nodes.floats(-1)), nodes.floats(0.5))
    lens = nodes.add("Floor", nodes.add("Add", halves, nodes.floats(1)))
    columns = nodes.add("Mul", nodes.add("Unsqueeze", lens, nodes.ints([1, 2])), nodes.floats(1))
    silence = nodes.add("Mul", add_product(nodes, "x", scale=0), nodes.floats(1))
    first = nodes.add("ReduceSum", silence, nodes.ints([1, 2]), keepdims=1)
    model = model_of(nodes, nodes.add("Add", first, columns), speech(), LENS)
    inputs: dict[str, Array] = {
        "x": np.ones((1, 2, DIM), np.float32), "lens": np.array([length])
    }  # fmt: skip
    before, after = both(model, inputs)
    assert before.item() == after.item() == (length - 1) // 2 + 1


def test_lengths_of_nemo_s_graph_stay_exact(nemo: Graph) -> None:
    rng = np.random.default_rng(0)
    halved = at_precision(nemo, HALF)
    x, lens = nemo.inputs
    inputs: dict[str, Array] = {
        x.name: rng.normal(size=(2, 80, 4200)).astype(np.float32),
        lens.name: np.array([4199, 2051]),
    }
    before, after = (Session(each.model).run(inputs) for each in (nemo, halved))
    for name, values in before.items():
        assert after[name].shape == values.shape
        if values.dtype.kind == "i":
            np.testing.assert_array_equal(after[name], values)


TRAINED = sorted(
    path.relative_to(ASSETS).as_posix()
    for path in ASSETS.glob("*/*.onnx")
    if "quant" not in path.name
)


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_graph_keeps_its_ports_and_halves_its_weights(name: str) -> None:
    graph = load_graph(ASSETS / name)
    assert graph.precision == "fp32"
    halved = at_precision(graph, HALF)
    onnx.checker.check_model(halved.model, full_check=True)
    assert (halved.precision, halved.opset) == ("fp16", graph.opset)
    assert (halved.inputs, halved.outputs) == (graph.inputs, graph.outputs)
    is_stored_so = name.startswith("nemo")
    assert halved.model.ByteSize() < graph.model.ByteSize() * (1.01 if is_stored_so else 0.6)


@pytest.mark.parametrize("name", TRAINED)
def test_every_product_of_a_trained_graph_is_float16_but_cif_s(name: str) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(load_graph(ASSETS / name).model)
    products = Counter(node.op_type for node in model.graph.node)
    total = products["MatMul"] + products["Gemm"] + products["Conv"]
    assert halve(model) == total - (name.startswith("paraformer") and "decoder" not in name)


def test_norms_and_exponentials_of_a_trained_graph_are_float32() -> None:
    halved = at_precision(load_graph(ASSETS / "wenet-u2" / "encoder.onnx"), HALF).model
    for node in halved.graph.node:
        if node.op_type in ("ReduceMean", "Pow", "Sqrt", "Softmax", "LogSoftmax", "Exp", "TopK"):
            assert not any(name.endswith("/half") for name in (*node.input, *node.output))


@pytest.mark.parametrize("form", sorted(WRITERS.keys() - {"silero_vad"}))
def test_every_family_is_made_float16(form: str, tmp_path: Path) -> None:
    family = form.partition("-")[0]
    folder = WRITERS[form](tmp_path / "checkpoint")
    options = Options(precision="fp16")
    built = families.load(family).build(Checkpoint(folder, "tiny"), options)
    encoder = built.graphs["encoder"]
    assert rounding.is_reduced(encoder)
    kinds = {value.type.tensor_type.elem_type for value in (*encoder.graph.input,
             *encoder.graph.output)}  # fmt: skip
    assert TensorProto.FLOAT16 not in kinds


def test_the_features_in_front_stay_float32(tmp_path: Path) -> None:
    folder = tiny.write_ctc(tmp_path)
    options = Options(precision="fp16")
    built = families.load("icefall_ctc").build(Checkpoint(folder, "tiny"), options)
    graph = built.graphs["encoder"].graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        if node.output[0].startswith("fbank/"):
            assert TensorProto.FLOAT16 not in {kinds.get(name) for name in node.input}


def test_what_is_stored_in_float16_is_float32() -> None:
    graph = load_graph(ASSETS / "nemo-ctc" / "model.onnx")
    assert TensorProto.FLOAT16 in {each.data_type for each in graph.model.graph.initializer}
    assert graph.precision == "fp32"


def test_a_graph_without_products_is_refused(tmp_path: Path) -> None:
    nodes = Nodes("")
    model = model_of(nodes, nodes.add("Softmax", "x", axis=-1), speech())
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(CheckpointError, match="no product of weights"):
        at_precision(load_graph(tmp_path / "model.onnx"), HALF)


def test_a_weight_that_float16_has_not_keeps_its_product_in_float32() -> None:
    nodes = Nodes("")
    result = add_product(nodes, add_product(nodes, "x", scale=1e6), scale=1e-6)
    x = np.ones((1, 5, DIM), np.float32)
    model = model_of(nodes, add_product(nodes, result), speech())
    before, after = both(model, {"x": x})
    np.testing.assert_allclose(after, before, rtol=1e-2)


def test_a_product_in_a_branch_stays_float32() -> None:
    then, other = Nodes("then/"), Nodes("else/")
    branches = []
    for nodes in (then, other):
        nodes.name(nodes.add("MatMul", "h", "weight"), f"{nodes.prefix}y")
        value = helper.make_tensor_value_info(f"{nodes.prefix}y", TensorProto.FLOAT, None)
        branches.append(helper.make_graph(nodes.nodes, "branch", [], [value], nodes.constants))
    nodes = Nodes("")
    nodes.name(add_product(nodes, "x"), "h")
    nodes.constants.append(numpy_helper.from_array(np.eye(DIM, dtype=np.float32), "weight"))
    condition = nodes.add("Greater", nodes.add("Size", "x"), nodes.ints(3))
    nodes.nodes.append(helper.make_node("If", [condition], ["z"], then_branch=branches[0],
                                        else_branch=branches[1]))  # fmt: skip
    model = model_of(nodes, add_product(nodes, "z"), speech())
    before, after = both(model, {"x": np.ones((1, 5, DIM), np.float32)})
    np.testing.assert_allclose(after, before, rtol=1e-2)
