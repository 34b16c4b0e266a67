"""What TensorRT asks of the file: opset, version of the format, size, weights beside it."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import external_data_helper

from auricle.build.export.tensorrt import operators
from auricle.build.export.tensorrt.findings import Finding
from auricle.build.export.tensorrt.operators import Version
from auricle.build.export.tensorrt.scope import is_elsewhere

MAX_BYTES = 2**31 - 1  # of one protobuf message


def check_container(model: onnx.ModelProto, version: Version) -> Iterator[Finding]:
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 1)
    ceiling = operators.max_opset(version)
    if not operators.MIN_OPSET <= opset <= ceiling:
        why = f"opset {opset} is outside of {operators.MIN_OPSET} to {ceiling}"
        source = "operators.md, NVIDIA/TensorRT releases"
        yield Finding("ERROR", "", "", why, source, "export with opset 17")
    newest = operators.max_ir_version(version)
    if model.ir_version > newest:
        why = f"ONNX IR {model.ir_version} is newer than the {newest} that the parser knows"
        source = "onnx-tensorrt docs/Changelog.md: the ONNX it is built with"
        yield Finding(
            "warning", "", "", why, source, "it may read it still; save it with an older ir_version"
        )


def check_file(path: Path, model: onnx.ModelProto) -> Iterator[Finding]:
    """Weights in files beside the graph: trtexec and parseFromFile find them, parse does not."""
    tensors = [tensor for tensor in model.graph.initializer if is_elsewhere(tensor)]
    places = sorted({external_data_helper.ExternalDataInfo(each).location for each in tensors})
    for place in places:
        if not (path.parent / place).is_file():
            why, advice = f"its weights in {place} are missing", "put the file beside the graph"
            yield Finding("ERROR", "", "", why, "onnx-tensorrt PR #621", advice)
    if places:
        why = f"weights are in {', '.join(places)}: the parser must be told the graph's path"
        advice = "trtexec does so; keep the files together"
        yield Finding("warning", "", "", why, "onnx-tensorrt PR #621", advice)


def too_large(size: int) -> Finding:
    why = f"{size} bytes in one file, and protobuf reads {MAX_BYTES}"
    advice = "save the weights as external data"
    return Finding("ERROR", "", "", why, "protobuf", advice)
