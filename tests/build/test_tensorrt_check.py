"""Small graphs that TensorRT's parser is known to take or to refuse, each with who said so."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from auricle.build.export.graph import Port, load_graph, port_of
from auricle.build.export.precision import quantize
from auricle.build.export.sanitize import sanitize
from auricle.build.export.tensorrt import profiles
from auricle.build.export.tensorrt.check import check_graph, check_model, parse_version
from auricle.build.export.tensorrt.findings import Finding, Report
from auricle.build.export.tensorrt.operators import TYPES, Version
from auricle.build.frontend.nodes import Attribute
from auricle.errors import CheckpointError
from tests.build import tiny

TRT10: Version = (10, 16)
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
value = tiny.value


def make(
    nodes: Sequence[NodeProto],
    *,
    inputs: Sequence[onnx.ValueInfoProto] = (value("x", FLOAT, "N", 8),),
    outputs: Sequence[onnx.ValueInfoProto] = (value("y", FLOAT),),
    opset: int = 17,
    ir_version: int = 8,
    constants: Mapping[str, object] | None = None,
) -> onnx.ModelProto:
    tensors = [
        numpy_helper.from_array(np.asarray(held), name) for name, held in (constants or {}).items()
    ]
    graph = helper.make_graph(nodes, "small", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def node(
    op_type: str,
    inputs: str,
    outputs: str = "y",
    attributes: Mapping[str, Attribute] | None = None,
    **more: Attribute | onnx.GraphProto,
) -> NodeProto:
    made = helper.make_node(op_type, inputs.split(), outputs.split(), name=op_type)
    given = {**(attributes or {}), **more}
    made.attribute.extend(helper.make_attribute(key, given[key]) for key in given)
    return made


def one(
    op_type: str,
    inputs: str = "x",
    outputs: str = "y",
    **constants: npt.NDArray[np.generic] | np.generic,
) -> onnx.ModelProto:
    return make([node(op_type, inputs, outputs)], constants=constants)


def report(model: onnx.ModelProto, *versions: Version) -> Report:
    return check_model(model, versions or (TRT10,))


def errors(model: onnx.ModelProto, version: Version = TRT10) -> list[Finding]:
    return [each for each in report(model, version).findings[version] if each.level == "ERROR"]


def warnings(model: onnx.ModelProto) -> list[str]:
    found = report(model).findings[TRT10]
    return [
        str(each) for each in found if each.level == "warning" and "wants a profile" not in each.why
    ]


def branch(name: str, *shape: int | str, op_type: str = "Identity") -> onnx.GraphProto:
    """A branch that returns x, said to be of this shape."""
    output = value(f"{name}_out", FLOAT, *shape)
    return helper.make_graph([node(op_type, "x", f"{name}_out")], name, [], [output])


def choose(one_shape: tuple[int | str, ...], other: tuple[int | str, ...]) -> onnx.ModelProto:
    """An If on the greatest value of x."""
    nodes = [
        node("ReduceMax", "x", "greatest", keepdims=0),
        node("Greater", "greatest zero", "is_positive"),
        node("If", "is_positive", then_branch=branch("a", *one_shape),
             else_branch=branch("b", *other)),
    ]  # fmt: skip
    return make(nodes, constants={"zero": np.float32(0)})


# What operators.md of onnx/onnx-tensorrt refuses, at 10.15 and before; DynamicQuantizeLinear also
# NVIDIA/TensorRT#3963, QLinearConv onnx/onnx-tensorrt#560.
@pytest.mark.parametrize(
    "op_type",
    ["DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "QLinearConv", "QLinearMatMul",
     "MelWeightMatrix", "SequenceEmpty", "SequenceInsert", "SplitToSequence", "ConcatFromSequence",
     "Optional", "Unique", "Compress", "StringNormalizer", "BitShift", "Det"],
)  # fmt: skip
def test_what_the_list_refuses_is_refused(op_type: str) -> None:
    assert op_type not in TYPES
    (error,) = errors(one(op_type))
    assert (error.node, error.operator) == (op_type, op_type)
    assert error.why == "the parser does not import it"
    assert error.advice


# docs/Changelog.md of onnx/onnx-tensorrt: windows 10.4, STFT 10.5, Attention 10.14,
# RMSNormalization 10.15; DFT: release page of TensorRT 11.2.
@pytest.mark.parametrize(
    ("op_type", "since"),
    [("HannWindow", (10, 4)), ("STFT", (10, 5)), ("Attention", (10, 14)),
     ("RMSNormalization", (10, 15)), ("DFT", (11, 2))],
)  # fmt: skip
def test_an_operator_is_imported_since_its_release(op_type: str, since: Version) -> None:
    before = (since[0], since[1] - 1)
    (error,) = errors(one(op_type), before)
    assert error.why == f"imported since TensorRT {since[0]}.{since[1]}"
    assert not errors(one(op_type), since)


def test_a_report_says_which_versions_refuse() -> None:
    lines = report(one("STFT"), (10, 3), (10, 5)).lines()
    assert [line.endswith("(TensorRT 10.3)") for line in lines if "ERROR" in line] == [True]
    assert lines[-1] == "graph: would parse with TensorRT 10.3: no; TensorRT 10.5: yes"


def test_an_int8_graph_is_refused_with_what_to_take_instead(tmp_path: Path) -> None:
    onnx.save(tiny.make_encoder(tiny.Encoder()), tmp_path / "encoder.onnx")
    model = quantize(load_graph(tmp_path / "encoder.onnx")).model
    found = errors(model)
    assert {each.operator for each in found} == {"DynamicQuantizeLinear", "MatMulInteger"}
    assert all("fp32 or fp16" in each.advice for each in found)


def test_layer_normalization_is_taken() -> None:  # docs/Changelog.md: since 8.6
    assert not errors(one("LayerNormalization", "x scale", scale=np.ones(8, np.float32)))


def test_layer_normalization_has_one_output() -> None:  # operators.md: "Only the first output"
    model = one("LayerNormalization", "x scale", "y mean", scale=np.ones(8, np.float32))
    assert [each.why for each in errors(model)] == ["only the first output is taken"]


def test_another_domain_is_refused() -> None:
    fused = helper.make_node("FusedConv", ["x"], ["y"], name="fused", domain="com.microsoft")
    model = make([fused])
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert [each.node for each in errors(model)] == ["fused"]


# "IIfConditionalOutputLayer inputs must have the same shape": NVIDIA/TensorRT#3321, of [-1] and
# [-1,1]; #4603, of [2] and [1]. #4032: "dimensions not compatible", from the builder.
@pytest.mark.parametrize("shapes", [(("N",), ("N", 8)), ((2,), (1,))])
def test_branches_that_differ_are_refused(shapes: tuple[tuple[int | str, ...], ...]) -> None:
    assert [each.operator for each in errors(choose(*shapes))] == ["If"]


def test_branches_of_one_rank_are_pointed_out() -> None:  # operators.md: "must have the same rank"
    model = choose(("N", 8), ("M", 8))
    assert not errors(model)
    assert [line for line in warnings(model) if "a branch at run time" in line]


def test_a_constant_condition_is_no_branch() -> None:
    """builtin_op_importers.cpp: "For constant conditions, parse only the selected subgraph"."""
    chosen = node("If", "yes", then_branch=branch("a", "N"), else_branch=branch("b", "N", 8))
    model = make([chosen], constants={"yes": np.array(True)})
    assert not errors(model)
    assert not warnings(model)


def test_nodes_in_branches_are_checked() -> None:
    chosen = node("If", "yes", then_branch=branch("a", "N", op_type="Det"),
                  else_branch=branch("b", "N"))  # fmt: skip
    assert [each.node for each in errors(make([chosen], constants={"yes": np.array(True)}))] == [
        "If/then_branch/Det"
    ]


def test_padding_in_a_branch_is_cured_by_the_builder(tmp_path: Path) -> None:
    onnx.save(tiny.make_encoder(tiny.Encoder(padding_branch=True)), tmp_path / "encoder.onnx")
    graph = load_graph(tmp_path / "encoder.onnx")
    assert [line for line in warnings(graph.model) if "(If)" in line]
    assert not [line for line in warnings(sanitize(graph)) if "(If)" in line]


def repeat(trips: str, *, scans: bool, grows: bool = False) -> onnx.ModelProto:
    body = helper.make_graph(
        [node("Identity", "go", "goes_on"),
         node("Concat", "state state", "next", axis=1) if grows else node("Abs", "state", "next"),
         node("Abs", "state", "scanned")],
        "body",
        [value("step", INT64), value("go", TensorProto.BOOL), value("state", FLOAT, 2, 8)],
        [value("goes_on", TensorProto.BOOL), value("next", FLOAT, 2, 16 if grows else 8),
         *[value("scanned", FLOAT, 2, 8)] * scans],
    )  # fmt: skip
    outputs = "y all" if scans else "y"
    loop = helper.make_node("Loop", [trips, "go", "x"], outputs.split(), name="Loop", body=body)
    inputs = [value("x", FLOAT, 2, 8), value("count", INT64)]
    return make([loop], inputs=inputs, constants={"five": np.int64(5), "go": np.array(True)})


# operators.md: "Scan output length cannot be dynamic. The shape of Loop carried dependencies must
# be the same across all loop iterations."; the latter also NVIDIA/TensorRT#2582.
def test_a_scan_output_of_known_length_is_taken() -> None:
    assert not errors(repeat("five", scans=True))


def test_a_scan_output_as_long_as_data_says_is_refused() -> None:
    (error,) = errors(repeat("count", scans=True))
    assert "scan output" in error.why


def test_a_loop_without_scan_outputs_may_run_as_long_as_data_says() -> None:
    assert not errors(repeat("count", scans=False))


def test_a_carried_shape_must_stay() -> None:
    (error,) = errors(repeat("five", scans=False, grows=True))
    assert "goes in as [2, 8] and comes out as [2, 16]" in error.why


def test_every_loop_is_pointed_out() -> None:  # onnx/onnx-tensorrt#891
    assert [line for line in warnings(repeat("five", scans=True)) if "once too often" in line]


def test_non_zero_is_taken_and_pointed_out() -> None:  # operators.md; NVIDIA/TensorRT#3372
    model = one("NonZero")
    assert not errors(model)
    assert [line for line in warnings(model) if "as long as its values say" in line]


# NVIDIA/TensorRT#1764: "ITopKLayer cannot be used to compute a shape tensor".
def test_a_length_that_only_the_device_knows_is_refused() -> None:
    nodes = [
        node("ReduceMax", "x", "greatest", keepdims=0),
        node("Cast", "greatest", "count", to=INT64),
        node("Range", "zero count step"),
    ]
    (error,) = errors(make(nodes, constants={"zero": np.int64(0), "step": np.int64(1)}))
    assert (error.node, error.why) == (
        "Range", "its length comes from values of x, which the host cannot compute",
    )  # fmt: skip


# NVIDIA/TensorRT#4204: "optimization profile is missing values for shape input".
def test_lengths_of_rows_decide_shapes_on_the_host() -> None:
    nodes = [node("ReduceMax", "lens", "longest", keepdims=0), node("Range", "zero longest step")]
    model = make(
        nodes,
        inputs=[value("lens", INT64, "N")],
        constants={"zero": np.int64(0), "step": np.int64(1)},
    )
    assert not errors(model)
    (line,) = [str(each) for each in report(model).findings[TRT10] if "#4204" in each.source]
    assert "lens (input): its values decide lengths, first that of Range" in line


def test_a_length_from_a_shape_is_nothing_to_say() -> None:
    nodes = [node("Shape", "x", "shape"), node("ConstantOfShape", "shape")]
    assert not report(make(nodes, inputs=[value("x", FLOAT, 2, 8)])).findings[TRT10]


# docs/Changelog.md: INT64 is a type of its own since 9.0; operators.md: "limited support for
# DOUBLE", "UINT8 is only supported as network input or output tensor types".
def test_int64_inputs_are_fine() -> None:
    model = one("Add", "x x")
    model.graph.input[0].CopyFrom(value("x", INT64, 2))
    assert not report(model).findings[TRT10]


def test_a_double_is_pointed_out() -> None:
    model = make(
        [node("Cast", "x", "d", to=TensorProto.DOUBLE), node("Add", "d half")],
        constants={"half": 0.5},
    )
    assert not errors(model)
    assert [line for line in warnings(model) if "double is computed as float" in line]


@pytest.mark.parametrize(("op_type", "taken"), [("Cast", True), ("Transpose", False)])
def test_uint8_is_for_inputs_and_outputs(op_type: str, taken: bool) -> None:
    attributes: dict[str, Attribute] = {"to": int(FLOAT)} if op_type == "Cast" else {}
    inputs = [value("x", TensorProto.UINT8, 2, 8)]
    assert (
        bool(errors(make([node(op_type, "x", attributes=attributes)], inputs=inputs))) is not taken
    )


@pytest.mark.parametrize("dtype", [TensorProto.STRING, TensorProto.INT16, TensorProto.UINT64])
def test_a_type_that_tensorrt_has_not_is_refused(dtype: int) -> None:
    (error,) = errors(make([node("Identity", "x")], inputs=[value("x", dtype, 2)]))
    assert error.why.startswith("TensorRT has no ")


def test_a_type_that_is_not_listed_is_pointed_out() -> None:  # operators.md: floats, for CumSum
    model = one("CumSum", "x axis", axis=np.int64(0))
    model.graph.input[0].CopyFrom(value("x", INT64, 2))
    assert [line for line in warnings(model) if "int64 is not among the types" in line]


# NVIDIA/TensorRT#3425: "Axis input for CumSum must be an initializer!"; the changelog of 10.8
# has "support for dynamic axes".
def test_the_axis_of_a_sum_is_a_constant() -> None:
    inputs = [value("x", FLOAT, 2, 8), value("axis", INT64)]
    model = make([node("CumSum", "x axis")], inputs=inputs)
    assert [each.why for each in errors(model, (10, 7))] == ["axis must be an initializer"]
    assert not errors(model, (10, 8))


def test_a_constant_in_a_node_is_an_initializer() -> None:
    held = helper.make_node("Constant", [], ["axis"], value_int=0)
    assert not errors(make([held, node("CumSum", "x axis")]), (10, 0))


def test_what_folds_is_told_to_fold() -> None:
    nodes = [node("Add", "one one", "axis"), node("CumSum", "x axis")]
    (error,) = errors(make(nodes, constants={"one": np.int64(1)}), (10, 0))
    assert "auricle sanitize" in error.advice


def test_axes_of_unsqueeze_may_be_computed_from_constants() -> None:  # "must be resolvable to"
    nodes = [node("Add", "one one", "axes"), node("Unsqueeze", "x axes")]
    assert not errors(make(nodes, constants={"one": np.array([1])}))
    dynamic = [value("x", FLOAT, 2, 8), value("axes", INT64, 1)]
    assert errors(make([node("Unsqueeze", "x axes")], inputs=dynamic))


def test_sums_on_several_axes_are_pointed_out() -> None:  # onnx/onnx-tensorrt#1034
    nodes = [node("CumSum", "x one", "z"), node("CumSum", "z two")]
    different = make(nodes, constants={"one": np.int64(0), "two": np.int64(1)})
    assert [line for line in warnings(different) if "#1034" in line]
    assert not warnings(make(nodes, constants={"one": np.int64(1), "two": np.int64(1)}))


# operators.md: attributes under "Restrictions"; zero points also NVIDIA/TensorRT#4698.
@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"),
    [("LSTM", "x w w", {"layout": 1}), ("LSTM", "x w w", {"input_forget": 1}),
     ("TopK", "x five", {"sorted": 0}), ("TopK", "x many", {}),
     ("Resize", "x x w", {"mode": "cubic"}), ("MaxPool", "x", {"dilations": [2, 2]}),
     ("ScatterND", "x w w", {"reduction": "add"}), ("DequantizeLinear", "q w seven", {}),
     ("GRU", "x w w", {"direction": "bidirectional",
                       "activations": ["Sigmoid", "Tanh", "Relu", "Tanh"]}),
     ("BatchNormalization", "x w w w w", {"training_mode": 1}),
     ("Constant", "", {"value_string": "text"})],
)  # fmt: skip
def test_a_restriction_is_kept(op_type: str, inputs: str, attributes: dict[str, Attribute]) -> None:
    model = make(
        [node(op_type, inputs, attributes=attributes)],
        constants={
            "w": np.ones(8, np.float32),
            "five": np.array([5]),
            "many": np.array([4000]),
            "seven": np.int8(7),
            "q": np.ones(8, np.int8),
        },
    )
    assert [each.operator for each in errors(model)] == [op_type]


def test_a_zero_point_of_zero_is_taken() -> None:
    model = make(
        [node("DequantizeLinear", "q w z")],
        constants={"w": np.float32(1), "z": np.int8(0), "q": np.ones(8, np.int8)},
    )
    assert not errors(model)


def test_int8_between_other_operators_is_refused() -> None:  # operators.md: quantized types
    assert errors(make([node("Transpose", "q")], constants={"q": np.ones((2, 2), np.int8)}))


def test_a_layer_norm_in_halves_and_parts_is_pointed_out() -> None:  # microsoft/onnxruntime#31626
    nodes = [node("ReduceMean", "x", "mean", axes=[-1]), node("Sub", "x mean", "c"),
             node("Pow", "c two")]  # fmt: skip
    half = [value("x", TensorProto.FLOAT16, 2, 8)]
    assert [line for line in warnings(make(nodes, inputs=half, constants={"two": np.float16(2)}))
            if "squares overflow" in line]  # fmt: skip
    assert not warnings(
        make(nodes, inputs=[value("x", FLOAT, 2, 8)], constants={"two": np.float32(2)})
    )


# operators.md at 10.15: opset 9 to 24; release page of 11.5: 25.
@pytest.mark.parametrize(
    ("opset", "version", "taken"),
    [(8, TRT10, False), (9, TRT10, True), (21, (10, 3), False), (21, TRT10, True),
     (24, TRT10, True), (25, TRT10, False), (25, (11, 4), False), (25, (11, 5), True)],
)  # fmt: skip
def test_an_opset_is_of_a_release(opset: int, version: Version, taken: bool) -> None:
    assert bool(errors(make([node("Abs", "x")], opset=opset), version)) is not taken


@pytest.mark.parametrize(("ir_version", "known"), [(10, True), (12, False)])
def test_a_newer_format_is_pointed_out(ir_version: int, known: bool) -> None:
    model = make([node("Abs", "x")], ir_version=ir_version)
    assert not errors(model)
    assert bool([line for line in warnings(model) if "ONNX IR" in line]) is not known


def test_weights_beside_the_graph_must_be_there(tmp_path: Path) -> None:
    model = one("MatMul", "x w", w=np.zeros((8, 512), np.float32))
    path = tmp_path / "graph.onnx"
    onnx.save(model, path, save_as_external_data=True, location="graph.data")
    assert not check_graph(path, [TRT10]).failed
    (tmp_path / "graph.data").unlink()
    assert check_graph(path, [TRT10]).failed


def test_a_file_that_protobuf_cannot_read_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(one("Abs"), tmp_path / "graph.onnx")
    monkeypatch.setattr("auricle.build.export.tensorrt.check.MAX_BYTES", 10)
    assert check_graph(tmp_path / "graph.onnx", [TRT10]).failed


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", b"\x08"])
def test_what_is_no_graph_is_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"graph\.onnx"):
        check_graph(tmp_path / "graph.onnx", [TRT10])


def test_large_weights_are_not_read() -> None:
    model = one("MatMul", "x w", w=np.zeros((8, 1 << 16), np.float32))
    assert not errors(model)
    assert model.ByteSize() < 1 << 16


@pytest.mark.parametrize(
    ("shapes", "said"),
    [(("x:1x8", "x:4x8", "x:8x8"), None),
     (("x:4x8", "x:1x8", "x:8x8"), "is not in order"),
     (("x:0x8", "x:1x8", "x:8x8"), "is not in order"),
     (("x:1x9", "x:4x9", "x:8x9"), "contradicts x float"),
     (("x:1", "x:4", "x:8"), "has not the rank"),
     (("y:1x8", "y:4x8", "y:8x8"), "does not say how long the axes of x float")],
)  # fmt: skip
def test_a_profile_covers_what_is_dynamic(shapes: tuple[str, str, str], said: str | None) -> None:
    found = check_model(one("Abs"), [TRT10], profiles.combine(*shapes)).findings[TRT10]
    assert bool(found) is (said is not None)
    assert said is None or any(said in each.why for each in found)


def test_without_a_profile_dynamic_inputs_are_pointed_out() -> None:
    (finding,) = report(one("Abs")).findings[TRT10]
    assert finding.why == "x float [N, 8] is dynamic and wants a profile"


@pytest.mark.parametrize("text", ["x", "x:", ":1x8", "x:1xN"])
def test_a_shape_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no shape"):
        profiles.parse_shapes(text)


def test_least_usual_and_largest_belong_together() -> None:
    with pytest.raises(ValueError, match="x has not all"):
        profiles.combine("x:1x8", "", "x:8x8")


def test_a_family_s_profile_is_batch_and_seconds() -> None:
    inputs = load_ports(value("WAV", FLOAT, "N", "L"), value("WAV_LENS", INT64, "N"))
    expanded = profiles.expand(inputs, profiles.Range((0.1, 8.0, 39.0), (1, 8, 64)))
    assert expanded == {
        "WAV": ((1, 1600), (8, 128000), (64, 624000)),
        "WAV_LENS": ((1,), (8,), (64,)),
    }


def load_ports(*values: onnx.ValueInfoProto) -> list[Port]:
    return [port_of(each) for each in values]


@pytest.mark.parametrize(("text", "version"), [("10", (10, 0)), ("11.4.1", (11, 4))])
def test_a_version_is_two_numbers(text: str, version: Version) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["8.6", "x", "10.x"])
def test_other_versions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no version of TensorRT"):
        parse_version(text)
