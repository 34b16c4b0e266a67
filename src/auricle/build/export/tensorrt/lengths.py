"""Lengths that come from values: what TensorRT must know before it runs, and may not be able to.

A shape that is computed must be computable on the host, from other shapes and from small integer
inputs, by a few layers; "ITopKLayer cannot be used to compute a shape tensor" is what TensorRT says
of others.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from onnx import NodeProto, TensorProto

from auricle.build.export.graph import INTEGERS
from auricle.build.export.surgery import reads
from auricle.build.export.tensorrt.findings import Finding
from auricle.build.export.tensorrt.scope import Scope, inner_scopes

DOCS = "TensorRT 10.16 and 11.4, Dynamic Shapes: Advanced Topics"
# The inputs that are lengths, of the operators that have any.
LENGTHS: dict[str, tuple[int, ...]] = {
    "Range": (0, 1, 2),
    "Expand": (1,),
    "Reshape": (1,),
    "ConstantOfShape": (0,),
    "Tile": (1,),
    "Slice": (1, 2, 4),
    "Pad": (1,),
    "TopK": (1,),
    "Split": (1,),
    "OneHot": (1,),
    "Resize": (2, 3),
}
# DOCS names concatenation, elementwise, gather, identity and reductions. That shuffles, slices,
# fills, selections and roundings pass too is assumed: a wrong no would be worse than a wrong yes.
ON_HOST = frozenset(
    """Abs Add And Cast Ceil Concat Constant ConstantOfShape Div Equal Expand Floor Gather Greater
    GreaterOrEqual Identity Less LessOrEqual Max Min Mod Mul Neg Not Or Range ReduceMax ReduceMin
    ReduceProd ReduceSum Relu Reshape Shape Sign Size Slice Squeeze Sub Sum Transpose Unsqueeze
    Where""".split()  # noqa: SIM905
)
Sources = frozenset[str]
NONE: Sources = frozenset()


@dataclass
class Flow:
    """values, dims: of each tensor, the inputs whose values decide its values, its shape.

    device: why a tensor cannot be computed on the host; absent where it can.
    small: the inputs that can be shape inputs.
    """

    values: dict[str, Sources] = field(default_factory=dict)
    dims: dict[str, Sources] = field(default_factory=dict)
    device: dict[str, str] = field(default_factory=dict)
    small: set[str] = field(default_factory=set)


def check_lengths(scope: Scope) -> Iterator[Finding]:
    """One finding a node whose length is data; then one an input that decides any length."""
    flow = Flow()
    for value in scope.graph.input:
        if value.name not in scope.constants:
            flow.values[value.name] = frozenset({value.name})
            if is_small(scope, value.name):
                flow.small.add(value.name)
            else:
                flow.device[value.name] = f"values of {value.name}"
    deciding: dict[str, str] = {}
    yield from _follow(scope, flow, deciding)
    for name, place in deciding.items():
        why = f"its values decide lengths, first that of {place}"
        advice = "give its least, usual and largest values in the profile, as for a shape input"
        yield Finding("warning", name, "input", why, "NVIDIA/TensorRT#4204", advice)


def _follow(scope: Scope, flow: Flow, deciding: dict[str, str]) -> Iterator[Finding]:
    for node in scope.graph.node:
        for inner in inner_scopes(scope, node).values():
            yield from _follow(inner, flow, deciding)
        operands = [node.input[i] for i in LENGTHS.get(node.op_type, ()) if i < len(node.input)]
        sources = _union(flow.values, operands)
        blocked = next((flow.device[name] for name in operands if name in flow.device), None)
        if blocked is not None and sources:
            why = f"its length comes from {blocked}, which the host cannot compute"
            advice = "bound it by an input's length instead"
            source = f"{DOCS}; NVIDIA/TensorRT#1764"
            yield Finding("ERROR", scope.place(node), node.op_type, why, source, advice)
        elif sources:
            for name in sorted(sources & flow.small):
                deciding.setdefault(name, scope.place(node))
        _pass_on(scope, node, flow, sources)


def _pass_on(scope: Scope, node: NodeProto, flow: Flow, lengths: Sources) -> None:
    """What is known of the node's outputs; a count of NonZero is a size that TensorRT hands on."""
    names = reads(node)
    values, dims = _union(flow.values, names), _union(flow.dims, names) | lengths
    reason = next((flow.device[name] for name in sorted(names) if name in flow.device), None)
    if node.op_type in ("Shape", "Size"):
        values, dims, reason = dims, NONE, None
    elif node.op_type == "NonZero":
        dims |= {f"the count of {scope.place(node)}"}
    elif reason is None and values and node.op_type not in ON_HOST:
        reason = f"{scope.place(node)} ({node.op_type})"
    for name in node.output:
        flow.values[name], flow.dims[name] = values, dims
        if reason is not None and values:
            flow.device[name] = reason


def is_small(scope: Scope, name: str) -> bool:
    """An integer, or a row of them: what TensorRT takes as a shape input."""
    shape = scope.shape(name)
    return scope.dtype(name) in INTEGERS | {TensorProto.BOOL} and len(shape or ()) < 2


def _union(sources: Mapping[str, Sources], names: Iterable[str]) -> Sources:
    return NONE.union(*(sources.get(name, NONE) for name in names))
