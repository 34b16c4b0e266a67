"""An ONNX graph in the making: nodes by operator, weights by shape, names by counter."""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 17, 8  # LayerNormalization came with 17; IR 8 is the one of its release

Array = npt.NDArray[np.float32] | npt.NDArray[np.int64]
Axes = dict[str, tuple[int, list[int | str]]]  # tensor name -> (ONNX element type, shape)


class Graph:
    """Grows by `add`, which gives the name of the new tensor; `finish` makes the model."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: int | float | list[int]) -> str:
        return self.split(operator, 1, *inputs, **attributes)[0]

    def split(
        self, operator: str, parts: int, *inputs: str, **attributes: int | float | list[int]
    ) -> list[str]:
        """Add a node of several outputs."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        outputs = [f"{name}.{part}" for part in range(parts)]
        node = helper.make_node(operator, inputs, outputs, name)
        node.attribute.extend(helper.make_attribute(*pair) for pair in sorted(attributes.items()))
        self._nodes.append(node)
        return outputs

    def rename(self, tensor: str, name: str) -> None:
        self._nodes.append(helper.make_node("Identity", [tensor], [name], f"output_{name}"))

    def constant(self, array: Array) -> str:
        name = f"constant_{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(array, name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def floats(self, *values: float) -> str:
        return self.constant(np.array(values, np.float32))

    def weight(self, *shape: int, fan_in: float) -> str:
        """A random tensor whose product with `fan_in` inputs of unit variance has unit variance."""
        values = self._rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(fan_in))
        return self.constant(values)

    def linear(self, x: str, inputs: int, outputs: int, gain: float = 1.0) -> str:
        """x: [..., inputs] -> [..., outputs]; `gain` times x's deviation, and a bias of zeros."""
        product = self.add("MatMul", x, self.weight(inputs, outputs, fan_in=inputs / gain**2))
        return self.add("Add", product, self.constant(np.zeros(outputs, np.float32)))

    def swish(self, x: str) -> str:
        return self.add("Mul", x, self.add("Sigmoid", x))

    def finish(self, inputs: Axes, outputs: Axes, metadata: dict[str, str]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes, "random", _values(inputs), _values(outputs), self._initializers
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="auricle"
        )
        helper.set_model_props(model, metadata)
        return model


def _values(axes: Axes) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in axes.items()
    ]
