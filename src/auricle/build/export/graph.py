"""An ONNX file as a checkpoint brings it: read, described, and told apart by what it shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from auricle.errors import CheckpointError

Role = Literal["encoder", "ctc", "decoder", "joiner", "streaming"]

INTEGERS = {TensorProto.INT32, TensorProto.INT64}
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16}


@dataclass(frozen=True)
class Port:
    """One input or output; a dimension is a size, a symbol, or None where the graph says nothing."""

    name: str
    dtype: int
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        dims = ", ".join("?" if dim is None else str(dim) for dim in self.shape)
        return f"{self.name} {TensorProto.DataType.Name(self.dtype).lower()} [{dims}]"


@dataclass(frozen=True)
class Graph:
    path: Path
    model: onnx.ModelProto
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: dict[str, str]

    def describe(self) -> str:
        """What was seen, for a person: the lines of a report or of a refusal."""
        lines = [str(self.path)]
        lines += [f"  input   {port}" for port in self.inputs]
        lines += [f"  output  {port}" for port in self.outputs]
        lines += [f"  {key}={value}" for key, value in self.metadata.items()]
        return "\n".join(lines)


def read_graph(path: Path) -> Graph:
    """CheckpointError if the file is not a whole ONNX model."""
    try:
        model = onnx.load(str(path))
    except (OSError, DecodeError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable ONNX file: {error}") from error
    if not model.graph.node:
        raise CheckpointError(f"{path} holds no ONNX nodes; is it a Git LFS pointer?")
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    return Graph(
        path,
        model,
        tuple(_port(value) for value in inputs),
        tuple(_port(value) for value in model.graph.output),
        {prop.key: prop.value for prop in model.metadata_props},
    )


def _port(value: onnx.ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    dims = [
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
        for dim in tensor.shape.dim
    ]
    return Port(value.name, tensor.elem_type, tuple(dims))


def classify(graph: Graph) -> Role:
    """What an icefall export is; CheckpointError lists what was seen where nothing fits."""
    if _is_streaming(graph):
        return "streaming"
    ranks = [(_kind(port), len(port.shape)) for port in graph.inputs]
    output = graph.outputs[0]
    if ranks == [("float", 3), ("integer", 1)]:
        is_ctc = "log_probs" in output.name or graph.metadata.get("model_type", "").endswith("_ctc")
        return "ctc" if is_ctc else "encoder"
    if ranks == [("integer", 2)]:
        return "decoder"
    if [kind for kind, _ in ranks] == ["float", "float"] and len(graph.outputs) == 1:
        return "joiner"
    raise CheckpointError(
        "this graph is no offline encoder, CTC model, decoder or joiner that is known here "
        f"(an icefall export has x [N, T, 80] and x_lens [N]); seen:\n{graph.describe()}"
    )


def _is_streaming(graph: Graph) -> bool:
    inputs = {port.name for port in graph.inputs}
    has_states = any(port.name.removeprefix("new_") in inputs for port in graph.outputs)
    return "decode_chunk_len" in graph.metadata or has_states


def _kind(port: Port) -> str:
    if port.dtype in INTEGERS:
        return "integer"
    return "float" if port.dtype in FLOATS else "other"


def require(graph: Graph, role: Role) -> None:
    """CheckpointError unless the graph plays the role, with dynamic batch."""
    seen = classify(graph)
    if seen == "streaming":
        raise CheckpointError(
            f"{graph.path.name} is a streaming export (it works chunk by chunk); only offline "
            "exports are built so far: export with icefall's export-onnx.py, or choose its "
            f"offline sibling; seen:\n{graph.describe()}"
        )
    if seen != role:
        raise CheckpointError(
            f"{graph.path.name} looks like a {seen}, but a {role} is needed; seen:\n"
            f"{graph.describe()}"
        )
    for port in (*graph.inputs, *graph.outputs):
        if port.shape and isinstance(port.shape[0], int):
            raise CheckpointError(
                f"{graph.path.name} is fixed to batch size {port.shape[0]} at {port.name!r}; "
                "export it again with dynamic axes (torch.onnx.export(dynamo=False)); seen:\n"
                f"{graph.describe()}"
            )
