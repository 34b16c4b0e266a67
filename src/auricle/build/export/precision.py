"""A published float32 graph in the arithmetic that was asked for, before it is adapted.

So the features that are put in front of it stay float32, whatever it becomes; and the types are
those of the graph itself, as TensorRT 11 asks for (docs/decisions/0017-precision.md).

Dynamic int8: the weights of MatMul and Gemm become signed integers with a scale a column, their
other operand is quantised as it comes, by its own range. Features and convolutions stay float32.
Weights have 7 bits, for with 8 the sum of two products overflows 16 bits on x86 without VNNI: the
model would be worse there than where it was judged (docs/decisions/0008-int8.md).
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto

from auricle.build.export.constants import lift_constants, widen_stored
from auricle.build.export.graph import Graph, Precision, load_graph
from auricle.build.export.half import halve
from auricle.build.export.qdq import quantize_statically, quiet
from auricle.build.export.reference import Waveform
from auricle.build.export.session import Array
from auricle.errors import CheckpointError

OP_TYPES = ("MatMul", "Gemm")
MIN_OPSET = 11  # older graphs would be converted behind the caller's back

Hear = Callable[[Graph, Waveform], dict[str, Array]]  # one utterance as a graph takes it
Bfloat = Callable[[Path, Path, "dict[str, Array] | None"], None]


@dataclass(frozen=True)
class Arithmetic:
    """precision: what the graph shall compute in.

    bfloat: rewrites a file of float32 to one of bfloat16; the third is inputs that it may run, or
    None where any will do.  calibration: speech at a sample rate,
    by which int8 gets fixed ranges; without it, each range is that of the values as they come.
    """

    precision: Precision = "fp32"
    bfloat: Bfloat | None = None
    calibration: Callable[[int], Iterable[Waveform]] | None = None


def at_precision(graph: Graph, arithmetic: Arithmetic, heard: "Heard | None" = None) -> Graph:
    """The graph itself where it is so already or fp32 was asked, else what is made of it.

    heard: how calibration reaches the graph.  CheckpointError for what cannot be made.
    """
    precision = arithmetic.precision
    if precision in ("fp32", graph.precision):
        return graph
    _check_plain(graph, precision)
    if precision == "fp16":
        return to_half(graph)
    if precision == "bf16":
        return _to_bfloat(graph, arithmetic, heard)
    return (
        quantize(graph)
        if arithmetic.calibration is None
        else _calibrate(graph, arithmetic.calibration, heard)
    )


@dataclass(frozen=True)
class Heard:
    """How speech becomes a graph's inputs.  example: an utterance."""

    sample_rate: int
    hear: Hear
    example: Waveform


def to_half(graph: Graph) -> Graph:
    """Products in float16, ports and opset as they were."""
    model = _copy(graph)
    if not halve(model):
        raise CheckpointError(
            f"{graph.path.name} has no product of weights whose type is known, so nothing of it "
            "becomes fp16; build it without --precision"
        )
    return _described(graph, model)


def _to_bfloat(graph: Graph, arithmetic: Arithmetic, heard: "Heard | None") -> Graph:
    if arithmetic.bfloat is None:
        raise CheckpointError(
            "bf16 is made by NVIDIA's ModelOpt: name an interpreter that has "
            "nvidia-modelopt[onnx] with --python"
        )
    with tempfile.TemporaryDirectory(prefix="auricle-") as folder:
        source, target = (Path(folder) / f"{name}.onnx" for name in ("fp32", "bf16"))
        onnx.save(graph.model, source)
        example = heard.hear(graph, heard.example) if heard else None
        arithmetic.bfloat(source, target, example)
        return _described(graph, load_graph(target).model)


def _calibrate(
    graph: Graph, calibration: Callable[[int], Iterable[Waveform]], heard: Heard | None
) -> Graph:
    if heard is None:
        raise CheckpointError(
            f"{graph.path.name} is not calibrated here: --quantization qdq takes encoders of whole "
            "utterances whose features are computed in front; use --quantization dynamic"
        )
    model = _copy(graph)
    lift_constants(model.graph)
    widen_stored(model.graph)
    speech = calibration(heard.sample_rate)
    quantised = quantize_statically(model, (heard.hear(graph, waveform) for waveform in speech))
    return _described(graph, quantised)


def _check_plain(graph: Graph, precision: Precision) -> None:
    if graph.precision != "fp32":
        raise CheckpointError(
            f"{graph.path.name} is {graph.precision}; {precision} is made from fp32: name the "
            "checkpoint's fp32 files"
        )
    if graph.opset < MIN_OPSET:
        raise CheckpointError(
            f"{graph.path.name} has opset {graph.opset}; {precision} is made from opset "
            f"{MIN_OPSET} or newer: export it again"
        )


def _copy(graph: Graph) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    return model


def _described(graph: Graph, model: onnx.ModelProto) -> Graph:
    """What a tool made, with what the published graph says of itself, and no guesses of shapes."""
    model.ir_version = graph.model.ir_version
    del model.graph.value_info[:]
    del model.metadata_props[:]
    model.metadata_props.extend(graph.model.metadata_props)
    return Graph(graph.path, model, graph.inputs, graph.outputs, graph.metadata)


def quantize(graph: Graph) -> Graph:
    """The weights in int8, ports and opset as they were; the graph itself if it is int8 already.

    CheckpointError unless it is fp32 and of opset 11 or newer.
    """
    if graph.precision == "int8":
        return graph
    _check_plain(graph, "int8")
    model = _copy(graph)
    lift_constants(model.graph)
    widen_stored(model.graph)
    return _described(graph, _quantize(model))


def _quantize(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=list(OP_TYPES),
            per_channel=True,
            weight_type=QuantType.QInt8,
            reduce_range=True,
            # Branches too; and what shape inference cannot type is float, as weights are.
            extra_options={"EnableSubgraph": True, "DefaultTensorType": TensorProto.FLOAT},
        )
        return load_graph(path).model
