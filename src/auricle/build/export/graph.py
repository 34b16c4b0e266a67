"""An ONNX file as a checkpoint brings it: read, described, and told apart by what it shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from auricle.errors import CheckpointError

Role = Literal["encoder", "ctc", "decoder", "joiner"]
Precision = Literal["fp32", "fp16", "int8"]

INTEGERS = {TensorProto.INT32, TensorProto.INT64}
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16}


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
        """The coarsest arithmetic in it."""
        if any(node.op_type == "DynamicQuantizeLinear" for node in self.model.graph.node):
            return "int8"
        dtypes = {tensor.data_type for tensor in self.model.graph.initializer}
        dtypes.update(port.dtype for port in (*self.inputs, *self.outputs))
        return "fp16" if TensorProto.FLOAT16 in dtypes else "fp32"

    def describe(self) -> str:
        """What was seen, for a person: the lines of a report or of a refusal."""
        lines = [f"{self.path.name} (opset {self.opset})"]
        lines += [f"  input     {port}" for port in self.inputs]
        lines += [f"  output    {port}" for port in self.outputs]
        lines += [f"  metadata  {key}={value}" for key, value in self.metadata.items()]
        return "\n".join(lines)


def read_graph(path: Path, role: Role) -> Graph:
    """CheckpointError if the file is no whole ONNX model, or does not play the role."""
    graph = load_graph(path)
    require(graph, role)
    return graph


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


def require(graph: Graph, role: Role) -> None:
    """CheckpointError, listing what was seen, unless the graph plays the role for any batch."""
    reason = _objection(graph, role)
    if reason:
        raise CheckpointError(f"{graph.path.name} {reason}; seen:\n{graph.describe()}")


def _objection(graph: Graph, role: Role) -> str | None:
    if _is_streaming(graph):
        return (
            "is a streaming export, which works chunk by chunk; only offline exports are built so "
            "far: make one with icefall's export-onnx.py, or choose an offline checkpoint"
        )
    seen = _classify(graph)
    if seen is None:
        return (
            "is no graph that is known here; an icefall encoder or CTC model takes x [N, T, F] and "
            "x_lens [N], a decoder y [N, context], a joiner encoder_out and decoder_out [N, J]"
        )
    if seen != role:
        return f"looks like the {seen} of a model, but its {role} is needed"
    if graph.metadata.get("feature", "fbank") != "fbank":
        return f"wants {graph.metadata['feature']!r} features; known: fbank"
    fixed = [port.name for port in (*graph.inputs, *graph.outputs) if _has_fixed_batch(port)]
    if fixed:
        return (
            f"has a fixed batch size at {', '.join(fixed)}; export it with dynamic axes and the "
            "exporter that keeps them (torch.onnx.export(..., dynamo=False))"
        )
    return None


def _classify(graph: Graph) -> Role | None:
    """By shapes first and names last, for exporters disagree about names."""
    inputs = [port.form for port in graph.inputs]
    output = graph.outputs[0]
    if inputs == [("float", 3), ("integer", 1)] and len(graph.outputs) > 1:
        is_ctc = "log_probs" in output.name or "ctc" in graph.metadata.get("model_type", "")
        return "ctc" if is_ctc else "encoder"
    if inputs == [("integer", 2)]:
        return "decoder"
    if inputs == [("float", 2), ("float", 2)]:
        return "joiner"
    return None


def _is_streaming(graph: Graph) -> bool:
    inputs = {port.name for port in graph.inputs}
    has_states = any(
        port.name.startswith("new_") and port.name.removeprefix("new_") in inputs
        for port in graph.outputs
    )
    return has_states or "decode_chunk_len" in graph.metadata


def _has_fixed_batch(port: Port) -> bool:
    return bool(port.shape) and isinstance(port.shape[0], int)
