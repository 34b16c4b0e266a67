"""An ONNX file as a checkpoint brings it: read, and described."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from auricle.build.export.surgery import reads
from auricle.errors import CheckpointError

Precision = Literal["fp32", "fp16", "bf16", "int8"]

INTEGERS = {TensorProto.INT32, TensorProto.INT64}
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16}
QUANTISERS = {"DynamicQuantizeLinear", "QuantizeLinear"}


@dataclass(frozen=True)
class Port:
    """An input or output; a dimension is a size, a symbol, or None where the graph is silent."""

    name: str
    dtype: int
    shape: tuple[int | str | None, ...]

    @property
    def size(self) -> int:
        """The last axis, which a checkpoint fixes; CheckpointError where the graph is silent."""
        dim = self.shape[-1] if self.shape else None
        if not isinstance(dim, int):
            raise CheckpointError(f"the graph does not state the last axis of {self}")
        return dim

    @property
    def form(self) -> tuple[str, int]:
        """What kind of numbers, and how many axes."""
        if self.dtype in INTEGERS:
            return "integer", len(self.shape)
        return ("float" if self.dtype in FLOATS else "other"), len(self.shape)

    @property
    def dtype_name(self) -> str:
        """ONNX's name: FLOAT, INT32, ..."""
        return str(TensorProto.DataType.Name(self.dtype))

    def __str__(self) -> str:
        dims = ", ".join("?" if dim is None else str(dim) for dim in self.shape)
        return f"{self.name} {self.dtype_name.lower()} [{dims}]"


@dataclass(frozen=True)
class Graph:
    path: Path
    model: onnx.ModelProto
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: dict[str, str]

    @property
    def opset(self) -> int:
        return next(
            (entry.version for entry in self.model.opset_import if entry.domain in ("", "ai.onnx")),
            1,
        )

    @property
    def precision(self) -> Precision:
        """The coarsest arithmetic in it; weights that are only stored in float16 do not count."""
        graph = self.model.graph
        if any(node.op_type in QUANTISERS for node in graph.node):
            return "int8"
        read = {name for node in graph.node if node.op_type != "Cast" for name in reads(node)}
        dtypes = {tensor.data_type for tensor in graph.initializer if tensor.name in read}
        dtypes.update(port.dtype for port in (*self.inputs, *self.outputs))
        if TensorProto.BFLOAT16 in dtypes:
            return "bf16"
        return "fp16" if TensorProto.FLOAT16 in dtypes else "fp32"

    def describe(self) -> str:
        """What was seen, for a person: the lines of a report or of a refusal."""
        lines = [f"{self.path.name} ({self.precision}, opset {self.opset})"]
        lines += [f"  input     {port}" for port in self.inputs]
        lines += [f"  output    {port}" for port in self.outputs]
        lines += [f"  metadata  {key}={value}" for key, value in self.metadata.items()]
        return "\n".join(lines)


def load_graph(path: Path) -> Graph:
    """CheckpointError if the file is no whole ONNX model."""
    try:
        model = onnx.load(str(path))
    except (OSError, DecodeError, ValueError, onnx.checker.ValidationError) as error:
        raise CheckpointError(f"{path} is no whole ONNX file: {error}; fetch it again") from error
    if not model.graph.node:
        raise CheckpointError(f"{path} holds no ONNX graph; is it a pointer of Git LFS?")
    constants = {tensor.name for tensor in model.graph.initializer}
    return Graph(
        path,
        model,
        tuple(port_of(value) for value in model.graph.input if value.name not in constants),
        tuple(port_of(value) for value in model.graph.output),
        {prop.key: prop.value for prop in model.metadata_props},
    )


def port_of(value: onnx.ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    dims = [
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
        for dim in tensor.shape.dim
    ]
    return Port(value.name, tensor.elem_type, tuple(dims))
