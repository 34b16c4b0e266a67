"""A graph or subgraph with what is known of its tensors: types, shapes, constants, makers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from auricle.build.export.graph import Port, port_of
from auricle.build.export.surgery import producers_of, reads

Dims = tuple[int | str | None, ...]
SMALL = 1 << 20  # bytes: weights above are not read, constants that rules look at are far below


@dataclass(frozen=True)
class Scope:
    """path: names of the nodes that the graph is inside of.  outer: the graph around."""

    graph: GraphProto
    path: tuple[str, ...] = ()
    outer: Scope | None = None
    ports: dict[str, Port] = field(default_factory=dict)
    constants: dict[str, TensorProto] = field(default_factory=dict)
    producers: dict[str, NodeProto] = field(default_factory=dict)
    folded: set[str] = field(default_factory=set)

    def place(self, node: NodeProto) -> str:
        return "/".join((*self.path, node.name or f"->{next(iter(node.output), '')}"))

    def dtype(self, tensor: str) -> int | None:
        """ONNX's number of a type; None where shape inference did not find it."""
        constant = self.constant(tensor)
        if constant is not None:
            return int(constant.data_type)
        port = self._find(tensor)
        return port.dtype if port is not None and port.dtype else None

    def shape(self, tensor: str) -> Dims | None:
        constant = self.constant(tensor)
        if constant is not None:
            return tuple(constant.dims)
        port = self._find(tensor)
        return port.shape if port is not None and port.dtype else None

    def constant(self, tensor: str) -> TensorProto | None:
        """An initializer, or what a Constant node holds."""
        if tensor in self.constants:
            return self.constants[tensor]
        return self.outer.constant(tensor) if self.outer is not None else None

    def value(self, tensor: str) -> npt.NDArray[np.generic] | None:
        """Of a small constant."""
        constant = self.constant(tensor)
        if constant is None or not constant.ByteSize() or is_elsewhere(constant):
            return None
        return numpy_helper.to_array(constant)

    def is_foldable(self, tensor: str) -> bool:
        """Whether it is a constant, or computed from constants alone."""
        if tensor in self.folded or tensor in self.constants:
            return True
        return self.outer is not None and self.outer.is_foldable(tensor)

    def maker(self, tensor: str) -> NodeProto | None:
        if tensor in self.producers:
            return self.producers[tensor]
        return self.outer.maker(tensor) if self.outer is not None else None

    def _find(self, tensor: str) -> Port | None:
        if tensor in self.ports:
            return self.ports[tensor]
        return self.outer._find(tensor) if self.outer is not None else None


def open_scope(graph: GraphProto, path: tuple[str, ...] = (), outer: Scope | None = None) -> Scope:
    values = (*graph.input, *graph.output, *graph.value_info)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and (tensor := held_by(node)) is not None:
            constants[node.output[0]] = tensor
    ports = {value.name: port_of(value) for value in values if _has_shape(value)}
    scope = Scope(graph, path, outer, ports, constants, producers_of(graph))
    for node in graph.node:
        if node.input and all(scope.is_foldable(name) for name in reads(node) if name):
            scope.folded.update(node.output)
    return scope


def inner_scopes(scope: Scope, node: NodeProto) -> dict[str, Scope]:
    """The node's subgraphs by the names of their attributes."""
    return {
        attribute.name: open_scope(attribute.g, (scope.place(node), attribute.name), scope)
        for attribute in node.attribute
        if attribute.type == AttributeProto.GRAPH
    }


def walk(scope: Scope) -> Iterator[tuple[Scope, NodeProto]]:
    """Every node of the graph, and after each the nodes of its subgraphs."""
    for node in scope.graph.node:
        yield scope, node
        for inner in inner_scopes(scope, node).values():
            yield from walk(inner)


def infer(model: onnx.ModelProto) -> onnx.ModelProto:
    """With the shapes and types that ONNX finds; as it was where ONNX gives up."""
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > SMALL:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError):
        return model


def attribute(node: NodeProto, name: str, default: object = None) -> object:
    """Its value, text decoded."""
    found = next((each for each in node.attribute if each.name == name), None)
    if found is None:
        return default
    value: object = helper.get_attribute_value(found)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [item.decode() if isinstance(item, bytes) else item for item in value]
    return value


def held_by(node: NodeProto) -> TensorProto | None:
    """What a Constant node holds, where it is numbers."""
    value = attribute(node, "value")
    if isinstance(value, TensorProto):
        return value
    for name, dtype in (("int", np.int64), ("float", np.float32)):
        for key in (f"value_{name}", f"value_{name}s"):
            if (number := attribute(node, key)) is not None:
                return numpy_helper.from_array(np.array(number, dtype))
    return None


def is_elsewhere(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def dtype_name(dtype: int) -> str:
    return str(TensorProto.DataType.Name(dtype)).lower()


def _has_shape(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape"))
