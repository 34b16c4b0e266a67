"""Graphs made int8 here: smaller, as they were at their ports, close to what they were."""

import dataclasses
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from auricle.build.export.graph import Graph, load_graph
from auricle.build.export.precision import Arithmetic, at_precision, quantize
from auricle.build.export.sanitize import MAX_OPSET, sanitize
from auricle.build.export.session import Array, Session
from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError
from tests.build import tiny

pytestmark = pytest.mark.onnx

ENCODERS = Path(__file__).parents[2] / "assets"
TRAINED = ENCODERS / "icefall-ctc" / "model.onnx"
OPSETS = range(13, 19)  # tiny.py writes its nodes as opset 13 knows them


def saved(model: onnx.ModelProto, folder: Path) -> Graph:
    onnx.save(model, folder / "model.onnx")
    return load_graph(folder / "model.onnx")


def inputs_of(graph: Graph) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        "x": rng.normal(size=(1, 100, tiny.NUM_MEL_BINS)).astype(np.float32),
        "x_lens": np.array([100], onnx.helper.tensor_dtype_to_np_dtype(graph.inputs[1].dtype)),
    }


def test_a_trained_graph_shrinks_to_a_third() -> None:
    graph = load_graph(TRAINED)
    assert quantize(graph).model.ByteSize() < graph.model.ByteSize() / 3


def test_a_quantised_graph_says_int8() -> None:
    assert quantize(load_graph(TRAINED)).precision == "int8"


def test_no_sum_of_two_products_overflows_16_bits() -> None:
    weights = [
        onnx.numpy_helper.to_array(tensor).astype(np.int64)
        for tensor in quantize(load_graph(TRAINED)).model.graph.initializer
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 2
    ]
    assert len(weights) > 40
    assert max(2 * 255 * np.abs(each).max() for each in weights) < 2**15


def test_a_trained_graph_stays_close() -> None:
    graph = load_graph(TRAINED)
    rng = np.random.default_rng(0)
    inputs: dict[str, Array] = {
        "x": rng.normal(-8, 4, (1, 200, 80)).astype(np.float32),
        "x_lens": np.array([200]),
    }
    before, after = (Session(one.model).run(inputs) for one in (graph, quantize(graph)))
    probabilities = [np.exp(out["log_probs"].astype(np.float64)) for out in (before, after)]
    assert np.abs(probabilities[1] - probabilities[0]).max() < 0.1


@pytest.mark.parametrize("opset", OPSETS)
def test_the_opset_stays(opset: int, tmp_path: Path) -> None:
    graph = saved(tiny.make_encoder(tiny.Encoder(opset=opset)), tmp_path)
    quantised = quantize(graph)
    assert (quantised.opset, quantised.model.ir_version) == (opset, graph.model.ir_version)
    Session(quantised.model).run(inputs_of(quantised))


@pytest.mark.parametrize("opset", [11, 12])
def test_old_opsets_are_quantised(opset: int, tmp_path: Path) -> None:
    nodes = Nodes("")
    weights = np.random.default_rng(0).normal(size=(tiny.DIM, tiny.DIM))
    nodes.name(nodes.add("MatMul", "x", nodes.floats(weights)), "y")
    x, y = (
        onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", tiny.DIM])
        for name in "xy"
    )
    made = onnx.helper.make_graph(nodes.nodes, "old", [x], [y], nodes.constants)
    opsets = [onnx.helper.make_opsetid("", opset)]
    graph = saved(onnx.helper.make_model(made, opset_imports=opsets, ir_version=6), tmp_path)
    quantised = quantize(graph)
    assert (quantised.precision, quantised.opset) == ("int8", opset)
    Session(quantised.model)


def test_a_newer_opset_still_converts_to_one_that_every_server_reads(tmp_path: Path) -> None:
    graph = saved(tiny.make_encoder(tiny.Encoder(opset=20)), tmp_path)
    repaired = sanitize(quantize(graph))
    assert repaired.opset_import[0].version == MAX_OPSET
    Session(repaired).run(inputs_of(graph))


def test_the_ports_and_the_metadata_stay(tmp_path: Path) -> None:
    graph = saved(tiny.make_encoder(tiny.Encoder()), tmp_path)
    onnx.save(quantize(graph).model, tmp_path / "int8.onnx")
    read = load_graph(tmp_path / "int8.onnx")
    assert (read.inputs, read.outputs, read.metadata) == (
        graph.inputs,
        graph.outputs,
        graph.metadata,
    )


def test_a_graph_with_branches_is_quantised(tmp_path: Path) -> None:
    kind = tiny.Encoder(padding_branch=True, mask_by_lens=True, is_ctc=True)
    graph = saved(tiny.make_encoder(kind), tmp_path)
    quantised = quantize(graph)
    assert quantised.precision == "int8"
    before, after = (Session(one.model).run(inputs_of(one)) for one in (graph, quantised))
    np.testing.assert_allclose(after["log_probs"], before["log_probs"], atol=0.1)


def test_a_gemm_is_quantised() -> None:
    joiner = next((ENCODERS / "icefall-transducer").glob("joiner*.onnx"))
    assert quantize(load_graph(joiner)).precision == "int8"


def test_the_original_is_left_alone(tmp_path: Path) -> None:
    graph = saved(tiny.make_encoder(tiny.Encoder()), tmp_path)
    before = graph.model.SerializeToString()
    quantize(graph)
    assert graph.model.SerializeToString() == before


def test_int8_stays_as_it_is(tmp_path: Path) -> None:
    graph = quantize(saved(tiny.make_encoder(tiny.Encoder()), tmp_path))
    assert at_precision(graph, Arithmetic("int8")) is graph


def test_what_is_fp32_stays_so(tmp_path: Path) -> None:
    graph = saved(tiny.make_encoder(tiny.Encoder()), tmp_path)
    assert at_precision(graph, Arithmetic("fp32")) is graph


def test_bf16_is_not_made_without_a_tool(tmp_path: Path) -> None:
    graph = saved(tiny.make_encoder(tiny.Encoder()), tmp_path)
    with pytest.raises(CheckpointError, match="name an interpreter"):
        at_precision(graph, Arithmetic("bf16"))


def test_int8_is_not_made_of_fp16(tmp_path: Path) -> None:
    graph = saved(tiny.make_encoder(tiny.Encoder(io_dtype=TensorProto.FLOAT16)), tmp_path)
    with pytest.raises(CheckpointError, match="is fp16; int8 is made from fp32"):
        at_precision(graph, Arithmetic("int8"))


def test_an_opset_before_11_is_refused(tmp_path: Path) -> None:
    graph = saved(tiny.make_encoder(tiny.Encoder()), tmp_path)
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    model.opset_import[0].version = 10
    with pytest.raises(CheckpointError, match="opset 10"):
        quantize(dataclasses.replace(graph, model=model))


def test_the_quantisers_advice_is_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    quantize(saved(tiny.make_encoder(tiny.Encoder()), tmp_path))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_the_root_logger_is_left_as_it_was(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), list(root.filters), root.level)
    quantize(saved(tiny.make_encoder(tiny.Encoder()), tmp_path))
    assert (list(root.handlers), list(root.filters), root.level) == before
