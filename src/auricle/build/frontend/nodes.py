"""ONNX nodes under one prefix, added by verbs instead of protobuf fields."""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Attribute = int | float | str | list[int]


class Nodes:
    """Nodes and constants in the order they were added; every name starts with the prefix.

    Only operator forms that are the same from opset 13 to 18 may be added.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, op_type: str, *inputs: str, **attributes: Attribute) -> str:
        """Append a node with one output; returns the output's name."""
        return self.add_many(op_type, inputs, 1, **attributes)[0]

    def add_many(
        self, op_type: str, inputs: tuple[str, ...], num_outputs: int, **attributes: Attribute
    ) -> list[str]:
        name = f"{self.prefix}{op_type}_{len(self.nodes)}"
        outputs = [name if i == 0 else f"{name}:{i}" for i in range(num_outputs)]
        node = helper.make_node(op_type, inputs, outputs, name=name)
        node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in attributes)
        self.nodes.append(node)
        return outputs

    def slice(self, tensor: str, start: int, end: int, *, axis: int) -> str:
        """A part of one axis."""
        return self.add("Slice", tensor, *map(self.ints, ([start], [end], [axis])))

    def count_rows(self, tensor: str) -> str:
        """int64 [1], the size of the first axis."""
        return self.slice(self.add("Shape", tensor), 0, 1, axis=0)

    def name(self, tensor: str, public_name: str) -> None:
        """Give a tensor the name by which the graph's callers know it."""
        self.nodes.append(helper.make_node("Identity", [tensor], [public_name], name=public_name))

    def floats(self, values: npt.ArrayLike) -> str:
        return self._constant(np.asarray(values, dtype=np.float32))

    def ints(self, values: npt.ArrayLike) -> str:
        return self._constant(np.asarray(values, dtype=np.int64))

    def _constant(self, value: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> str:
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name
