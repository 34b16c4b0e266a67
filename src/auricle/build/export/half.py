"""A float32 graph -> the same with its weights and most of its sums in float16, ports as they were.

Products (MatMul, Gemm, Conv) and what moves or combines their results become float16. Float32
stay: what is no audio (lengths, positions, masks), norms, exponentials, sums over an axis, all that
lies between two of these, and whatever a constant asks for that float16 cannot hold. Every tensor
keeps its name in float32; its float16 self is called name/half, and a Cast makes one of the other
where both are read. So the types are right by construction, in branches and loops, too.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from auricle.build.export.constants import lift_constants, widen_stored
from auricle.build.export.dtypes import tensor_types
from auricle.build.export.surgery import drop_unused, reads, set_nodes, sort_nodes, subgraphs

PRODUCTS = {"MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum"}
MOVES = {
    "Concat", "Expand", "Flatten", "Gather", "GatherElements", "Identity", "Pad", "Reshape",
    "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
POINTWISE = {
    "Abs", "Add", "Clip", "Div", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu",
    "Max", "Min", "Mul", "Neg", "PRelu", "Relu", "Sigmoid", "Sub", "Tanh", "Where",
}  # fmt: skip
SIZES = {"Shape", "Size"}  # these do not look at the values
SUFFIX = "/half"
LARGEST = float(np.finfo(np.float16).max)
SMALLEST_NORMAL = float(np.finfo(np.float16).tiny)  # 6.1e-5; below, digits are lost one by one
MASKED = 3e4  # exp(-3e4) is 0, and the sum of two masks is no infinity yet, as of two of -65504


def halve(model: onnx.ModelProto) -> int:
    """In place; how many products are float16 now."""
    graph = model.graph
    sort_nodes(graph)
    lift_constants(graph)
    widen_stored(graph)
    types = tensor_types(model)
    plan = _Plan(graph, {name for name, kind in types.items() if kind == TensorProto.FLOAT})
    halved = plan.choose()
    _Writer(plan, halved).write()
    del graph.value_info[:]
    drop_unused(graph)
    return sum(plan.nodes[number].op_type in PRODUCTS for number in halved)


@dataclass
class _Plan:
    """Which nodes, by their number, shall compute in float16."""

    graph: onnx.GraphProto
    floats: set[str]
    nodes: list[NodeProto] = field(init=False)
    constants: dict[str, TensorProto] = field(init=False)
    makers: dict[str, int] = field(init=False)
    readers: dict[str, list[int]] = field(init=False)
    heard: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = list(self.graph.node)
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        self.makers = {name: n for n, node in enumerate(self.nodes) for name in node.output}
        self.readers = defaultdict(list)
        for number, node in enumerate(self.nodes):
            for name in reads(node):
                self.readers[name].append(number)
        for value in self.graph.output:
            self.readers[value.name].append(-1)
        self.heard = self._find_heard()

    def choose(self) -> set[int]:
        found = {number for number, node in enumerate(self.nodes) if self._may_be(node)}
        found -= set(self._integrated())
        found |= set(self._moved_weights(found))
        changed = True
        while changed:
            held = {number for number in found if self._stays(number, found)}
            found -= held
            changed = bool(held)
        return found

    def _find_heard(self) -> set[str]:
        """What is computed from audio, or from tokens' vectors: all but lengths and positions."""
        heard = {v.name for v in self.graph.input
                 if v.name in self.floats and len(v.type.tensor_type.shape.dim) != 1}  # fmt: skip
        for node in self.nodes:
            embeds = node.op_type == "Gather" and self._is_table(node.input[0])
            if embeds or (node.op_type not in SIZES and heard & reads(node)):
                heard.update(name for name in node.output if name in self.floats)
        return heard

    def _is_table(self, name: str) -> bool:
        tensor = self.constants.get(name)
        return tensor is not None and name in self.floats and len(tensor.dims) == 2

    def _may_be(self, node: NodeProto) -> bool:
        known = PRODUCTS | MOVES | POINTWISE
        if node.op_type not in known or node.domain not in ("", "ai.onnx") or subgraphs(node):
            return False
        if not self.heard.intersection(node.output):
            return False
        if any(self._refuses(name) for name in node.input):
            return False
        if node.op_type in PRODUCTS:
            return not self._predicts_one(node)
        if node.op_type == "Div":
            return node.input[1] in self.constants
        return not (node.op_type == "Mul" and node.input[0] == node.input[1])  # a square

    def _refuses(self, name: str) -> bool:
        """Whether a constant is one that float16 has not: an epsilon, a mask's -1e9."""
        tensor = self.constants.get(name)
        if tensor is None or tensor.data_type != TensorProto.FLOAT:
            return False
        sizes = np.abs(numpy_helper.to_array(tensor))
        sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
        return bool(sizes.size) and bool(sizes.max() > LARGEST or sizes.max() < SMALLEST_NORMAL)

    def _predicts_one(self, node: NodeProto) -> bool:
        """One number a frame: a weight that is summed over an utterance, as CIF does."""
        weight = self.constants.get(node.input[1]) if len(node.input) > 1 else None
        if weight is None or len(weight.dims) < 2:
            return False
        is_transposed = any(each.name == "transB" and each.i for each in node.attribute)
        first = is_transposed or "Conv" in node.op_type
        return bool(weight.dims[0 if first else -1] == 1)

    def _integrated(self) -> Iterator[int]:
        """What leads to a CumSum from the product before it, and from there to the next one."""
        totals = [number for number, node in enumerate(self.nodes) if node.op_type == "CumSum"]
        waiting, seen = [(n, back) for n in totals for back in (True, False)], set()
        while waiting:
            number, back = waiting.pop()
            node = self.nodes[number]
            if (number, back) in seen or (node.op_type in PRODUCTS and not back):
                continue
            seen.add((number, back))
            yield number
            if node.op_type in PRODUCTS:
                continue
            if back:
                waiting += [(self.makers[name], True) for name in reads(node)
                            if name in self.makers and name in self.heard]  # fmt: skip
            else:
                waiting += [(each, False) for name in node.output
                            for each in self.readers[name] if each >= 0]  # fmt: skip

    def _moved_weights(self, found: Collection[int]) -> Iterator[int]:
        """Constants on their way, by nothing but moves, to readers that are float16."""
        moved: set[str] = set()
        chains: list[int] = []
        for number, node in enumerate(self.nodes):
            floats = [name for name in node.input if name in self.floats]
            if node.op_type in MOVES and floats and number not in found:
                whole = all(name in moved or name in self.constants for name in floats)
                if whole and not any(map(self._refuses, floats)):
                    moved.update(node.output)
                    chains.append(number)
        taken = set(found)
        for number in reversed(chains):
            readers = [each for name in self.nodes[number].output for each in self.readers[name]]
            if readers and taken.issuperset(readers):
                taken.add(number)
                yield number

    def _stays(self, number: int, found: Collection[int]) -> bool:
        """Whether all around a node that is no product is float32, so that casts gain nothing."""
        node = self.nodes[number]
        if node.op_type in PRODUCTS:
            return False
        made = [name for name in node.input if name in self.floats and name not in self.constants]
        readers = {each for name in node.output for each in self.readers[name]
                   if each < 0 or self.nodes[each].op_type not in SIZES}  # fmt: skip
        before = bool(made) and not any(self.makers.get(name, -1) in found for name in made)
        after = not readers & set(found)
        if node.op_type in MOVES:
            return after and (before or not made)
        return before or after


class _Writer:
    """Puts the plan into the graph."""

    def __init__(self, plan: _Plan, halved: set[int]) -> None:
        self._plan = plan
        self._halved = halved
        self._nodes: list[NodeProto] = []
        self._half: set[str] = set()  # tensors that have a float16 self
        self._float = {v.name for v in plan.graph.input} | plan.constants.keys()
        self._bound = 0

    def write(self) -> None:
        for number, node in enumerate(self._plan.nodes):
            if number in self._halved:
                self._write_half(node)
            else:
                self._write_float(node)
        for value in self._plan.graph.output:
            self._need_float(value.name)
        set_nodes(self._plan.graph, self._nodes)

    def _write_half(self, node: NodeProto) -> None:
        floats = self._plan.floats
        for name in node.input:
            if name in floats:
                self._need_half(name)
        node.input[:] = [name + SUFFIX if name in floats else name for name in node.input]
        self._half.update(name for name in node.output if name in floats)
        self._float.update(name for name in node.output if name not in floats)
        node.output[:] = [name + SUFFIX if name in floats else name for name in node.output]
        self._nodes.append(node)

    def _write_float(self, node: NodeProto) -> None:
        if node.op_type in SIZES and node.input[0] in self._half:
            node.input[0] += SUFFIX
        else:
            for name in sorted(reads(node)):
                self._need_float(name)
        self._float.update(node.output)
        self._nodes.append(node)

    def _need_float(self, name: str) -> None:
        if name in self._half and name not in self._float:
            self._nodes.append(helper.make_node("Cast", [name + SUFFIX], [name], to=1))
            self._float.add(name)

    def _need_half(self, name: str) -> None:
        if name in self._half:
            return
        self._half.add(name)
        tensor = self._plan.constants.get(name)
        if tensor is not None:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            half = numpy_helper.from_array(values, name + SUFFIX)
            self._plan.graph.initializer.append(half)
            return
        source = name if name in self._plan.heard else self._bounded(name)
        cast = helper.make_node("Cast", [source], [name + SUFFIX], to=TensorProto.FLOAT16)
        self._nodes.append(cast)

    def _bounded(self, name: str) -> str:
        """A mask's -1e9 would become minus infinity, and a row of these no number at all."""
        bounds = [f"half/{side}" for side in ("lowest", "highest")]
        if not self._bound:
            for bound, value in zip(bounds, (-MASKED, MASKED), strict=True):
                tensor = numpy_helper.from_array(np.array(value, np.float32), bound)
                self._plan.graph.initializer.append(tensor)
            self._bound = 1
        self._nodes.append(helper.make_node("Clip", [name, *bounds], [f"{name}/bounded"]))
        return f"{name}/bounded"
