"""int8 with fixed ranges, as QuantizeLinear and DequantizeLinear around products: for TensorRT.

Dynamic int8 is DynamicQuantizeLinear and MatMulInteger, which TensorRT does not know. Here the
ranges come from real speech; zero points are 0, as TensorRT wants them, and weights have a scale a
column. What is no product stays float32.
"""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import onnx

from auricle.build.export.graph import load_graph
from auricle.build.export.session import Array
from auricle.errors import CheckpointError

OP_TYPES = ("MatMul", "Gemm")
MIN_OPSET = 13  # the first whose QuantizeLinear has a scale a column


class _Reader:
    """What onnxruntime's calibration pulls inputs from."""

    def __init__(self, batches: Iterable[Mapping[str, Array]]) -> None:
        self._batches = iter(batches)
        self.count = 0

    def get_next(self) -> dict[str, Array] | None:
        for batch in self._batches:
            self.count += 1
            return dict(batch)
        return None


def quantize_statically(
    model: onnx.ModelProto, batches: Iterable[Mapping[str, Array]]
) -> onnx.ModelProto:
    """The model with its products' operands in int8 by the ranges seen in the batches."""
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    opset = next((e.version for e in model.opset_import if e.domain in ("", "ai.onnx")), 1)
    if opset < MIN_OPSET:
        raise CheckpointError(
            f"int8 with fixed ranges is made from opset {MIN_OPSET} or newer, this graph has "
            f"{opset}: export it again, or use --quantization dynamic"
        )
    reader = _Reader(batches)
    with tempfile.TemporaryDirectory(prefix="auricle-") as folder, quiet():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            reader,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OP_TYPES),
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "MatMulConstBOnly": True,
                "QuantizeBias": False,
            },
        )
        if not reader.count:
            raise CheckpointError("the calibration folder has no utterance")
        return load_graph(path).model


@contextmanager
def quiet() -> Iterator[None]:
    """The quantisers give their advice by the root logger, which they would also set up."""
    root, handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(handler)
    root.addFilter(_refuse)
    try:
        yield
    finally:
        root.removeFilter(_refuse)
        root.removeHandler(handler)


def _refuse(_record: logging.LogRecord) -> bool:
    return False
