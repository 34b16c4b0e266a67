"""What a wav2vec2 sees of padding, taken away, so that a batch equals its singles.

Its feature extractor has no padding of its own: a frame depends on its own samples alone, unless
the first layer is normalised over time (feat_extract_norm "group"), padding and all. Behind it, the
convolution for positions and the attention see all frames of the batch. An export that takes an
attention_mask hides them itself; one that takes none hides nothing.
"""

from dataclasses import dataclass

import onnx
from onnx import GraphProto, NodeProto, TensorProto

from auricle.build.export.dtypes import tensor_types
from auricle.build.export.graph import Graph
from auricle.build.export.heads import value_info
from auricle.build.export.surgery import ancestors, insert_before, producers_of, read_ints, replace
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.raw import add_count, add_running_total, add_valid
from auricle.errors import CheckpointError

BLOCK = 64  # steps that are summed at once
HIDDEN = -1e4  # beside a score; e to the power of it is 0, also in float16
UNSEEN_NORMS = ("GroupNormalization",)
# Inputs that a masked graph has beside its own: which frames count.
FACTOR, TERM = "frame_factor", "frame_term"  # float32 [N, 1, T] and [N, 1, 1, T]


@dataclass(frozen=True)
class First:
    """The first convolution: samples it sees, and steps over."""

    kernel: int
    stride: int


def first_convolution(graph: Graph) -> First:
    """CheckpointError where the samples go through none, or one with padding."""
    first = next((node for node in graph.model.graph.node if node.op_type == "Conv"), None)
    if first is None or _pads(first):
        raise CheckpointError(
            f"{graph.path.name} does not begin with a convolution without padding, as wav2vec2 does"
        )
    return First(read_ints(first, "kernel_shape")[0], read_ints(first, "strides")[0])


def norms_over_time(graph: GraphProto) -> list[NodeProto]:
    """Those of feat_extract_norm "group"; with "layer" there are none."""
    return [node for node in graph.node if node.op_type == "InstanceNormalization"]


def check_known(graph: Graph) -> None:
    for node in graph.model.graph.node:
        if node.op_type in UNSEEN_NORMS:
            raise CheckpointError(
                f"{graph.path.name} has a {node.op_type}, which is not masked here; export it with "
                "torch.onnx.export(..., dynamo=False), as optimum does"
            )


def mask_norms(graph: GraphProto, lens: str) -> None:
    """Let norms over time see the steps that count, and no others.

    lens: int64 [N], samples.  Every row must have room for whole blocks of steps.
    """
    for number, node in enumerate(norms_over_time(graph)):
        nodes = Nodes(f"masked_norm_{number}/")
        steps = _add_steps(nodes, graph, node, lens)
        _add_norm(nodes, node, steps)
        replace(graph, node, nodes.nodes)
        graph.initializer.extend(nodes.constants)


def mask_frames(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with inputs FACTOR and TERM, which hide padded frames from what looks beyond a frame.

    These are convolutions with padding, and attention. Only nodes that every opset has are added:
    softmax of before opset 13 is another thing once it is converted.
    """
    masked = onnx.ModelProto()
    masked.CopyFrom(model)
    types = tensor_types(model)
    for node in list(masked.graph.node):
        dtype = types.get(node.input[0], TensorProto.FLOAT) if node.input else TensorProto.FLOAT
        if node.op_type == "Conv" and _pads(node):
            _combine(masked.graph, node, ("Mul", FACTOR), dtype)
        elif node.op_type == "Softmax":
            _combine(masked.graph, node, ("Add", TERM), dtype)
    masked.graph.input.append(value_info(FACTOR, TensorProto.FLOAT, "N", 1, "T"))
    masked.graph.input.append(value_info(TERM, TensorProto.FLOAT, "N", 1, 1, "T"))
    return masked


def _combine(graph: GraphProto, node: NodeProto, how: tuple[str, str], dtype: int) -> None:
    """Let the node read its first input, of this type, with the mask."""
    op_type, mask = how
    nodes = Nodes(f"{node.output[0]}/masked/")
    if dtype != TensorProto.FLOAT:
        mask = nodes.add("Cast", mask, to=dtype)
    node.input[0] = nodes.add(op_type, node.input[0], mask)
    insert_before(graph, node, nodes)


def add_masks(nodes: Nodes, frames: str, width: str) -> dict[str, str]:
    """The tensors for FACTOR and TERM.  frames: int64 [N].  width: int64 [1], of the batch."""
    valid = nodes.add("Unsqueeze", add_valid(nodes, frames, width), nodes.ints([1]))
    term = nodes.add("Where", valid, nodes.floats(0), nodes.floats(HIDDEN))
    return {
        FACTOR: nodes.add("Cast", valid, to=TensorProto.FLOAT),
        TERM: nodes.add("Unsqueeze", term, nodes.ints([1])),
    }


def add_frame_count(nodes: Nodes, num_samples: str, first: int, step: int) -> str:
    """max(0, (n - first) // step + 1); ONNX divides toward zero."""
    room = nodes.add("Add", num_samples, nodes.ints(step - first))
    return nodes.add("Div", nodes.add("Max", room, nodes.ints(0)), nodes.ints(step))


def _add_steps(nodes: Nodes, graph: GraphProto, norm: NodeProto, lens: str) -> str:
    """int64 [N]: steps in front of the norm that count."""
    before = ancestors(graph, norm.input[0])
    for node in graph.node:
        if node.op_type == "Conv" and before.intersection(node.output):
            kernel, stride = read_ints(node, "kernel_shape")[0], read_ints(node, "strides")[0]
            lens = add_frame_count(nodes, lens, kernel, stride)
    return lens


def _add_norm(nodes: Nodes, norm: NodeProto, steps: str) -> None:
    """InstanceNormalization of [N, C, T] over the first steps int64 [N] of each row."""
    x, scale, bias = norm.input
    shape = nodes.add("Shape", x)
    width = nodes.add("Slice", shape, *map(nodes.ints, ([2], [3])))
    valid = nodes.add("Unsqueeze", add_valid(nodes, steps, width), nodes.ints([1]))
    factor = nodes.add("Cast", valid, to=TensorProto.FLOAT)
    count = add_count(nodes, steps, (1, 2))
    mean = nodes.add("Div", _add_sum(nodes, nodes.add("Mul", x, factor)), count)
    centred = nodes.add("Mul", nodes.add("Sub", x, mean), factor)
    squares = _add_sum(nodes, nodes.add("Mul", centred, centred))
    epsilon = next((each.f for each in norm.attribute if each.name == "epsilon"), 1e-5)
    variance = nodes.add("Add", nodes.add("Div", squares, count), nodes.floats(epsilon))
    normal = nodes.add("Div", centred, nodes.add("Sqrt", variance))
    column = nodes.ints([1])
    scaled = nodes.add("Mul", normal, nodes.add("Unsqueeze", scale, column))
    nodes.nodes.append(
        onnx.helper.make_node(
            "Add", [scaled, nodes.add("Unsqueeze", bias, column)], list(norm.output)
        )
    )


def _add_sum(nodes: Nodes, values: str) -> str:
    """[N, C, 1] of [N, C, T], zeros behind changing no bit of it; T is a number of whole blocks."""
    blocks = nodes.add("Reshape", values, nodes.ints([0, 0, -1, BLOCK]))
    sums = nodes.add("ReduceSum", blocks, nodes.ints([3]), keepdims=0)
    return add_running_total(nodes, sums, 2)


def _pads(node: NodeProto) -> bool:
    automatic = any(each.name == "auto_pad" and each.s != b"NOTSET" for each in node.attribute)
    return automatic or any(read_ints(node, "pads"))


def check_groups(graph: Graph) -> None:
    """CheckpointError where a norm over time takes several channels together."""
    makers = producers_of(graph.model.graph)
    constants = {each.name: each for each in graph.model.graph.initializer}
    for norm in norms_over_time(graph.model.graph):
        scale = constants.get(norm.input[1])
        if scale is None and norm.input[1] in makers:
            scale = next((each.t for each in makers[norm.input[1]].attribute), None)
        first = next(node for node in graph.model.graph.node if node.op_type == "Conv")
        channels = constants[first.input[1]].dims[0] if first.input[1] in constants else None
        if scale is None or channels is None or list(scale.dims) != [channels]:
            raise CheckpointError(
                f"{graph.path.name} normalises several channels of its first layer together over "
                "time, which wav2vec2 does not; it is not masked here"
            )
