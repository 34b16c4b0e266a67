"""If, Loop and Scan: what TensorRT makes of them, and what of them it refuses."""

from collections.abc import Iterator

from onnx import GraphProto, NodeProto

from auricle.build.export.tensorrt.findings import Finding, Level
from auricle.build.export.tensorrt.operators import OPERATORS_MD
from auricle.build.export.tensorrt.scope import Dims, Scope, inner_scopes

FOLD = "run `auricle sanitize`, which folds constants"
ONE_PATH = "run `auricle sanitize`, or export the branch that is wanted alone"


def check_control(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    if node.op_type == "If":
        yield from _check_if(scope, node)
    elif node.op_type == "Loop":
        yield from _check_loop(scope, node)
    elif node.op_type == "Scan":
        why = "a loop: each step is launched on its own"
        yield _finding("warning", scope, node, why, "unroll it, or compute it at once")


def _check_if(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    """A constant condition is no If: the parser reads the branch that is taken."""
    if scope.constant(node.input[0]) is not None:
        return
    if scope.is_foldable(node.input[0]):
        yield _finding("warning", scope, node, "its condition is computed from constants", FOLD)
    inner = inner_scopes(scope, node)
    branches = inner["then_branch"], inner["else_branch"]
    outputs = [[value.name for value in branch.graph.output] for branch in branches]
    if set(outputs[0]) & set(outputs[1]):
        why = "an output has the same name in both branches"
        yield _finding("ERROR", scope, node, why, "rename one")
    for then_name, else_name in zip(*outputs, strict=False):
        shapes = branches[0].shape(then_name), branches[1].shape(else_name)
        yield from _compare(scope, node, *shapes)


def _compare(
    scope: Scope, node: NodeProto, one: Dims | None, other: Dims | None
) -> Iterator[Finding]:
    if one is None or other is None:
        why = "a branch whose rank nobody knows: both must have the same"
        yield _finding("warning", scope, node, why, ONE_PATH)
    elif len(one) != len(other):
        why = f"its branches have ranks {len(one)} and {len(other)}"
        source = "operators.md at 10.15, NVIDIA/TensorRT#3321"
        yield _finding("ERROR", scope, node, why, ONE_PATH, source)
    elif any(_differ(a, b) for a, b in zip(one, other, strict=True)):
        why = f"its branches have shapes {show(one)} and {show(other)}"
        source = "NVIDIA/TensorRT#4032, #4603"
        yield _finding("ERROR", scope, node, why, ONE_PATH, source)
    else:
        why = "a branch at run time: equal ranks parse, unequal lengths may fail in the builder"
        source = "operators.md at 10.15, NVIDIA/TensorRT#4032"
        yield _finding("warning", scope, node, why, ONE_PATH, source)


def _check_loop(scope: Scope, node: NodeProto) -> Iterator[Finding]:
    body = inner_scopes(scope, node)["body"]
    num_carried = len(node.input) - 2
    trips = node.input[0]
    if any(node.output[num_carried:]) and not (trips and scope.is_foldable(trips)):
        why = "its scan output is as long as the data says, and must not be"
        yield _finding("ERROR", scope, node, why, "compute it at once, without a loop")
    for source, result in zip(body.graph.input[2:], body.graph.output[1:], strict=False):
        before, after = body.shape(source.name), body.shape(result.name)
        if is_list(source.name, body.graph):
            why = f"it carries a list, {source.name}"
            yield _finding("ERROR", scope, node, why, "export without lists")
        elif before and after and any(map(_differ, before, after)):
            why = f"{source.name} goes in as {show(before)} and comes out as {show(after)}"
            yield _finding("ERROR", scope, node, why, "keep the shapes of what it carries",
                           "operators.md at 10.15, NVIDIA/TensorRT#2582")  # fmt: skip
    why = "a loop: each step is launched on its own; some have run once too often"
    advice = "unroll it, or compute it at once"
    yield _finding("warning", scope, node, why, advice, "onnx/onnx-tensorrt#891")


def is_list(tensor: str, graph: GraphProto) -> bool:
    value = next((each for each in graph.input if each.name == tensor), None)
    return value is not None and value.type.HasField("sequence_type")


def show(dims: Dims) -> str:
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in dims) + "]"


def _differ(one: int | str | None, other: int | str | None) -> bool:
    return isinstance(one, int) and isinstance(other, int) and one != other


def _finding(
    level: Level, scope: Scope, node: NodeProto, why: str, advice: str, source: str = OPERATORS_MD
) -> Finding:
    return Finding(level, scope.place(node), node.op_type, why, source, advice)
