"""What TensorRT's parser asks of a node alone: operator, types, constants, attributes."""

from collections.abc import Callable, Iterator

import numpy as np
from onnx import NodeProto, TensorProto

from auricle.build.export.tensorrt import operators
from auricle.build.export.tensorrt.findings import Finding, Level
from auricle.build.export.tensorrt.operators import OPERATORS_MD, Version
from auricle.build.export.tensorrt.scope import Scope, attribute, dtype_name

FOLD = "run `auricle sanitize`, which folds constants"
DATA_INPUT = {"Where": 1, "OneHot": 2, "If": None, "Loop": None, "Scan": None, "Constant": None}
TAKE_UINT8 = {"Cast", "CastLike", "Identity", "Shape", "QuantizeLinear", "DequantizeLinear"}
TAKE_QUANTIZED = {"DequantizeLinear", "Cast", "Shape"}
# Inputs whose values the parser must see; operators.md: "must be an initializer".
CONSTANT_INPUTS: dict[str, tuple[tuple[int, str], ...]] = {
    "CumSum": ((1, "axis"),),
    "OneHot": ((1, "depth"),),
    "STFT": ((1, "frame_step"), (2, "window")),
    **{
        f"Reduce{name}": ((1, "axes"),)
        for name in (
            "L1",
            "L2",
            "LogSum",
            "LogSumExp",
            "Max",
            "Mean",
            "Min",
            "Prod",
            "Sum",
            "SumSquare",
        )
    },
}
RESOLVED_INPUTS = {"Squeeze": (1, "axes"), "Unsqueeze": (1, "axes")}  # computed from constants, too
# The only value that is taken; the second is what ONNX means where none is given.
ATTRIBUTES: dict[str, tuple[tuple[str, object, object], ...]] = {
    "LSTM": (("layout", 0, 0), ("input_forget", 0, 0)),
    "TopK": (("sorted", 1, 1),),
    "BatchNormalization": (("training_mode", 0, 0),),
    "ScatterND": (("reduction", "none", "none"),),
    "TensorScatter": (("axis", -2, -2),),
    "Attention": (("softcap", 0.0, 0.0),),
    "Resize": (("antialias", 0, 0), ("keep_aspect_ratio_policy", "stretch", "stretch")),
}
EXTRA_OUTPUTS = {"LayerNormalization": 1, "MaxPool": 1, "Attention": 1}
MAX_K = 3840  # of TopK


def check_node(scope: Scope, node: NodeProto, version: Version) -> Iterator[Finding]:
    """Findings on the node, without those on its subgraphs."""
    if node.domain not in ("", "ai.onnx"):
        why = f"operators of {node.domain} are imported only where a plugin has the name"
        advice = "export with ONNX's own operators, unfused"
        yield _finding("ERROR", scope, node, why, advice)
        return
    refusal = _refuse(scope, node, version)
    if refusal is not None:
        yield refusal
        return
    yield from _types(scope, node)
    yield from _constants(scope, node, version)
    yield from _attributes(scope, node)
    if node.op_type in RULES:
        yield from RULES[node.op_type](scope, node)


def _refuse(scope: Scope, node: NodeProto, version: Version) -> Finding | None:
    advice = operators.ADVICE.get(node.op_type, "export without it")
    if node.op_type not in operators.TYPES:
        return _finding("ERROR", scope, node, "the parser does not import it", advice)
    since = operators.SINCE.get(node.op_type, operators.FIRST)
    if version < since:
        why = "imported since TensorRT {}.{}".format(*since)
        return _finding("ERROR", scope, node, why, advice, operators.CHANGELOG_MD)
    return None


def _types(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    """Of what goes in: a type that TensorRT has not, or has not for this operator."""
    dtypes = {scope.dtype(name) for name in node.input if name} - {None}
    if node.op_type == "Cast":
        dtypes.add(int(str(attribute(node, "to"))))
    for dtype in sorted(dtypes - operators.ANY, key=str):
        assert dtype is not None, "removed above"
        yield from _foreign_type(scope, node, dtype)
    index = DATA_INPUT.get(node.op_type, 0)
    if index is None or index >= len(node.input):
        return
    dtype = scope.dtype(node.input[index])
    if dtype in operators.ANY and dtype not in operators.TYPES[node.op_type]:
        why = f"{dtype_name(dtype)} is not among the types listed for it"
        yield _finding("warning", scope, node, why, "cast around it if the parser refuses")


def _foreign_type(scope: Scope, node: NodeProto, dtype: int) -> Iterator[Finding]:
    name = dtype_name(dtype)
    if dtype == TensorProto.DOUBLE:
        yield _finding("warning", scope, node, "double is computed as float", "cast to float")
    elif dtype == TensorProto.UINT8:
        if node.op_type not in TAKE_UINT8:
            why = "uint8 is a type of the network's inputs and outputs only"
            yield _finding("ERROR", scope, node, why, "cast to int32 first")
    elif dtype in operators.QUANTIZED:
        if node.op_type not in TAKE_QUANTIZED:
            yield _finding("ERROR", scope, node, f"{name} is a type between "
                           "QuantizeLinear and DequantizeLinear only", operators.INT8)  # fmt: skip
    else:
        yield _finding("ERROR", scope, node, f"TensorRT has no {name}", "cast to int32 or float")


def _constants(scope: Scope, node: NodeProto, version: Version) -> Iterator[Finding]:
    for index, name in CONSTANT_INPUTS.get(node.op_type, ()):
        given = node.input[index] if index < len(node.input) else ""
        if given and scope.constant(given) is None:
            folds = scope.is_foldable(given)
            advice = FOLD if folds else f"export with a constant {name}"
            # The importer of 10.8 and later takes a tensor, the list says a constant.
            level: Level = "ERROR"
            if node.op_type == "CumSum" and version >= (10, 8):
                level = "warning"
            yield _finding(level, scope, node, f"{name} must be an initializer", advice)
    if node.op_type in RESOLVED_INPUTS:
        index, name = RESOLVED_INPUTS[node.op_type]
        given = node.input[index] if index < len(node.input) else ""
        if given and not scope.is_foldable(given):
            why = f"{name} must be resolvable to a constant"
            yield _finding("ERROR", scope, node, why, f"export with constant {name}")


def _attributes(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    for name, taken, default in ATTRIBUTES.get(node.op_type, ()):
        got = attribute(node, name, default)
        if got != taken:
            why = f"{name} {got!r} is not taken, only {taken!r}"
            yield _finding("ERROR", scope, node, why, "export without it")
    count = EXTRA_OUTPUTS.get(node.op_type)
    if count is not None and any(node.output[count:]):
        yield _finding("ERROR", scope, node, "only the first output is taken", "drop the others")


def _zero_point(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    if len(node.input) < 3 or not node.input[2]:
        return
    value = scope.value(node.input[2])
    if value is None or np.any(value.astype(np.float32)):
        why = "the zero point must be 0"
        source = "operators.md at 10.15, NVIDIA/TensorRT#4698"
        yield _finding("ERROR", scope, node, why, "quantise symmetrically, as int8", source)


def _pooling(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    dilations = attribute(node, "dilations", [])
    if isinstance(dilations, list) and any(each != 1 for each in dilations):
        yield _finding("ERROR", scope, node, "dilations must be 1", "export without them")


def _top_k(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    value = scope.value(node.input[1]) if len(node.input) > 1 else None
    if value is not None and int(value.astype(np.int64).max()) >= MAX_K:
        yield _finding("ERROR", scope, node, f"K must be less than {MAX_K}", "ask for fewer")


def _constant(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    for name in ("sparse_value", "value_string", "value_strings"):
        if attribute(node, name) is not None:
            yield _finding("ERROR", scope, node, f"{name} is not taken", operators.TEXT)


def _resize(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    mode = attribute(node, "mode", "nearest")
    if mode not in ("nearest", "linear"):
        why = f"mode {mode!r} is not taken, only 'nearest' and 'linear'"
        yield _finding("ERROR", scope, node, why, "export with mode linear")


def _recurrent(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    activations = attribute(node, "activations", [])
    if attribute(node, "direction") == "bidirectional" and isinstance(activations, list):
        half = len(activations) // 2
        if activations[:half] != activations[half:]:
            why = "both directions must have the same activations"
            yield _finding("ERROR", scope, node, why, "export two of them, one a direction")


def _power(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    """Of a layer normalisation in parts: squares of float16 overflow at 256."""
    if scope.dtype(node.input[0]) != TensorProto.FLOAT16:
        return
    centred = scope.maker(node.input[0])
    if centred is None or centred.op_type != "Sub":
        return
    means = [scope.maker(name) for name in centred.input]
    if any(mean is not None and mean.op_type == "ReduceMean" for mean in means):
        yield _finding(
            "warning", scope, node, "a layer normalisation in float16, in parts: squares overflow",
            "export with opset 17, which keeps it whole, or leave it in float32",
            "microsoft/onnxruntime#31626",
        )  # fmt: skip


def _non_zero(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    why = "its output is as long as its values say, which keeps TensorRT from fusing around it"
    source = "operators.md at 10.15, NVIDIA/TensorRT#3372"
    yield _finding("warning", scope, node, why, "a mask or Range in its place", source)


RULES: dict[str, Callable[[Scope, NodeProto], Iterator[Finding]]] = {
    "QuantizeLinear": _zero_point,
    "DequantizeLinear": _zero_point,
    "AveragePool": _pooling,
    "LpPool": _pooling,
    "MaxPool": _pooling,
    "TopK": _top_k,
    "Constant": _constant,
    "Resize": _resize,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
    "Pow": _power,
    "NonZero": _non_zero,
}


def _finding(
    level: Level, scope: Scope, node: NodeProto, why: str, advice: str, source: str = OPERATORS_MD
) -> Finding:
    return Finding(level, scope.place(node), node.op_type, why, source, advice)
