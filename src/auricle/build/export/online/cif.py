"""Continuous integrate-and-fire over a window of a stream, as matrices.

FunASR walks through the frames one by one. The same follows from running sums: token k is made of
what lies between the sums k and k + 1, so its frames' shares are overlaps of intervals.
"""

from dataclasses import dataclass

from onnx import TensorProto

from auricle.build.export.online.published import AROUND, NEW
from auricle.build.frontend.nodes import Nodes


@dataclass(frozen=True)
class Integrated:
    """Names of tensors; K is one more than the most tokens of a row.

    slots: float [1, K, 1], 0 to K - 1.  tokens: [N, K, D]; behind a row's last stands what is open.
    fired: float [N, K], the frame of the ten at which each fires.  num_tokens: float [N, 1].
    weight, total: [N, 1] and [N, D], of the open token.
    """

    slots: str
    tokens: str
    fired: str
    num_tokens: str
    weight: str
    total: str


def add_cif(nodes: Nodes, enc: str, alphas: str, weight: str, total: str) -> Integrated:
    """enc: [N, 20, D].  alphas: [N, 20].  weight, total: of the token that is open."""
    frames, weights = (_middle(nodes, tensor) for tensor in (enc, alphas))
    ends = nodes.add("Add", nodes.add("CumSum", weights, nodes.ints(1)), weight)
    last = nodes.slice(ends, NEW - 1, NEW, axis=1)
    starts = nodes.add("Concat", weight, nodes.slice(ends, 0, NEW - 1, axis=1), axis=1)
    num_tokens = nodes.add("Floor", last)
    slots = _add_slots(nodes, num_tokens)
    following = nodes.add("Add", slots, nodes.floats(1))
    ends, starts = (nodes.add("Unsqueeze", each, nodes.ints([1])) for each in (ends, starts))
    until = nodes.add("Min", ends, following)  # [N, K, 10]
    since = nodes.add("Max", starts, slots)
    shares = nodes.add("Max", nodes.add("Sub", until, since), nodes.floats(0))
    begun = nodes.add("Mul", _as_float(nodes, nodes.add("Equal", slots, nodes.floats(0))),
                      nodes.add("Unsqueeze", total, nodes.ints([1])))  # fmt: skip
    tokens = nodes.add("Add", nodes.add("MatMul", shares, frames), begun)
    is_open = nodes.add("Equal", slots, nodes.add("Unsqueeze", num_tokens, nodes.ints([2])))
    open_token = nodes.add("Mul", tokens, _as_float(nodes, is_open))
    before = _as_float(nodes, nodes.add("Less", ends, following))
    return Integrated(
        slots=slots,
        tokens=tokens,
        fired=nodes.add("ReduceSum", before, nodes.ints([2]), keepdims=0),
        num_tokens=num_tokens,
        weight=nodes.add("Sub", last, num_tokens),
        total=nodes.add("ReduceSum", open_token, nodes.ints([1]), keepdims=0),
    )


def _add_slots(nodes: Nodes, num_tokens: str) -> str:
    most = nodes.add("ReduceMax", num_tokens, keepdims=0)
    width = nodes.add("Add", most, nodes.floats(1))
    slots = nodes.add("Range", nodes.floats(0), width, nodes.floats(1))
    return nodes.add("Unsqueeze", slots, nodes.ints([0, 2]))


def _middle(nodes: Nodes, tensor: str) -> str:
    return nodes.slice(tensor, AROUND, AROUND + NEW, axis=1)


def _as_float(nodes: Nodes, condition: str) -> str:
    return nodes.add("Cast", condition, to=TensorProto.FLOAT)
