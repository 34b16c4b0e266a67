"""Repairs change no result, and cure what they are for."""

import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from auricle.build.export.graph import Graph, load_graph
from auricle.build.export.sanitize import at_known_opset, sanitize
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import prefix_names, sort_nodes
from auricle.errors import CheckpointError
from tests.build import tiny

pytestmark = pytest.mark.onnx

ODDITIES = [
    tiny.Encoder(),
    tiny.Encoder(mask_by_lens=True),
    tiny.Encoder(padding_branch=True),
    tiny.Encoder(mask_by_lens=True, padding_branch=True, lens_dtype=TensorProto.INT32),
    tiny.Encoder(mask_by_lens=True, is_ctc=True),
]


def save(model: onnx.ModelProto, folder: Path) -> Graph:
    onnx.save(model, folder / "encoder.onnx")
    return load_graph(folder / "encoder.onnx")


def inputs(num_frames: int, lens: list[int], dtype: int = TensorProto.INT64) -> dict[str, Array]:
    rng = np.random.default_rng(num_frames)
    return {
        "x": rng.normal(size=(len(lens), num_frames, 80)).astype(np.float32),
        "x_lens": np.array(lens, helper.tensor_dtype_to_np_dtype(dtype)),
    }


def op_types(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("kind", ODDITIES, ids=str)
def test_repairs_change_no_result(kind: tiny.Encoder, tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(kind), tmp_path)
    original, repaired = Session(graph.model), Session(sanitize(graph))
    for num_frames in range(9, 60):
        batch = inputs(num_frames, [num_frames, max(9, num_frames - 20)], kind.lens_dtype)
        for before, after in zip(
            original.run(batch).values(), repaired.run(batch).values(), strict=True
        ):
            np.testing.assert_array_equal(after, before)


def test_a_mask_of_the_longest_row_breaks_when_a_batch_is_padded(tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(tiny.Encoder(mask_by_lens=True)), tmp_path)
    with pytest.raises(CheckpointError):
        Session(graph.model).run(inputs(96, [64]))


@pytest.mark.parametrize("padding", [1, 8, 32, 64])
def test_a_repaired_mask_takes_any_padding(padding: int, tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(tiny.Encoder(mask_by_lens=True)), tmp_path)
    healthy = Session(tiny.make_encoder(tiny.Encoder()))
    batch = inputs(64 + padding, [64, 40])
    np.testing.assert_array_equal(
        Session(sanitize(graph)).run(batch)["encoder_out"], healthy.run(batch)["encoder_out"]
    )


def test_the_branch_around_a_padding_is_inlined(tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(tiny.Encoder(padding_branch=True)), tmp_path)
    assert "If" in op_types(graph.model)
    assert "If" not in op_types(sanitize(graph))


def test_any_other_branch_stays(tmp_path: Path) -> None:
    model = tiny.make_encoder(tiny.Encoder(padding_branch=True))
    branch = next(node for node in model.graph.node if node.op_type == "If")
    for attribute in branch.attribute:  # now it pads where nothing is missing
        attribute.name = {"then_branch": "else_branch", "else_branch": "then_branch"}[
            attribute.name
        ]
    assert "If" in op_types(sanitize(save(model, tmp_path)))


def test_unsorted_nodes_are_sorted() -> None:
    model = tiny.make_encoder(tiny.Encoder(padding_branch=True))
    nodes = list(model.graph.node)
    random.Random(0).shuffle(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(model)
    sort_nodes(model.graph)
    onnx.checker.check_model(model)


def test_sorted_nodes_keep_their_order() -> None:
    model = tiny.make_encoder(tiny.Encoder())
    before = [node.output[0] for node in model.graph.node]
    sort_nodes(model.graph)
    assert [node.output[0] for node in model.graph.node] == before


def test_a_circle_of_nodes_is_refused() -> None:
    circle = [helper.make_node("Neg", ["a"], ["b"], "n"), helper.make_node("Neg", ["b"], ["a"])]
    with pytest.raises(CheckpointError, match="circle"):
        sort_nodes(helper.make_graph(circle, "circle", [], []))


def test_prefixed_names_are_prefixed_in_branches_too() -> None:
    model = tiny.make_encoder(tiny.Encoder(padding_branch=True))
    prefix_names(model.graph, "core/")
    onnx.checker.check_model(model, full_check=True)
    batch = {f"core/{name}": value for name, value in inputs(65, [65]).items()}
    plain = Session(tiny.make_encoder(tiny.Encoder())).run(inputs(65, [65]))
    np.testing.assert_array_equal(
        Session(model).run(batch)["core/encoder_out"], plain["encoder_out"]
    )


def test_an_old_opset_is_converted(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    node = helper.make_node("Squeeze", ["decoder_out"], ["y"], axes=[1])  # an input since 13
    model = helper.make_model(
        helper.make_graph(
            [node],
            "old",
            [value("decoder_out", TensorProto.FLOAT, ["N", 1, 8])],
            [value("y", TensorProto.FLOAT, ["N", 8])],
        ),
        opset_imports=[helper.make_opsetid("", 11)],
        ir_version=6,
    )
    converted = at_known_opset(save(model, tmp_path), model)
    assert converted.opset_import[0].version == 13
    onnx.checker.check_model(converted, full_check=True)


def test_an_opset_that_does_not_convert_is_refused(tmp_path: Path) -> None:
    model = tiny.make_joiner()
    model.opset_import[0].version = 25
    model.graph.node.append(helper.make_node("TensorScatter", ["logit", "logit"], ["z"]))
    with pytest.raises(CheckpointError, match=r"opset 25.*13 to 18"):
        at_known_opset(save(model, tmp_path), model)
