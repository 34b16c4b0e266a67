"""Repairs of Paraformer's exports, which are right for one utterance that says something.

- A row that fires no token makes its whole batch fail (a Loop or ScatterND over nothing): it is
  made to fire once, and still counts 0 tokens.
- What the encoder makes of padding enters the last token, by the predictor's convolution and by
  the weight that FunASR adds behind each row.
- The backward LSTM behind BiCif's timestamps begins at the end of the longest row.
"""

from onnx import GraphProto, NodeProto, TensorProto, helper

from auricle.build.export.surgery import (
    find_maker,
    insert_after,
    insert_before,
    producers_of,
    rename_reads,
)
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.padding import add_valid_mask
from auricle.errors import CheckpointError

ONE_TOKEN = 1.01  # the weight of a row that would fire none; beyond 1 whatever is rounded
ROUNDINGS = ("Cast", "Identity", "Floor", "Round")


def repair(graph: GraphProto, x_lens: str, num_tokens: str) -> None:
    """x_lens: the input that counts a row's frames.  num_tokens: the output that counts tokens."""
    _fire_once(graph, num_tokens)
    _mask_encoder_out(graph, x_lens)
    _bound_lstms(graph, x_lens)


def _fire_once(graph: GraphProto, num_tokens: str) -> None:
    """Fill up the weights of rows that would fire nothing; num_tokens stays 0 for them."""
    producers = producers_of(graph)
    weights = _sum_of_weights(producers, num_tokens).input[0]  # [N, T + 1], 0 behind a row
    nodes = Nodes("fire/")
    total = nodes.add("ReduceSum", weights, nodes.ints([1]), keepdims=1)  # [N, 1]
    missing = nodes.add("Sub", nodes.floats(ONE_TOKEN), total)
    missing = nodes.add("Max", missing, nodes.floats(0))
    before = nodes.add("Slice", weights, *map(nodes.ints, ([0], [-1], [1])))
    last = nodes.add("Slice", weights, *map(nodes.ints, ([-1], [1 << 30], [1])))
    filled = nodes.add("Concat", before, nodes.add("Add", last, missing), axis=1)
    rename_reads(graph, weights, filled)
    insert_after(graph, producers[weights], nodes)

    counted = Nodes("fired/")
    inner = f"{num_tokens}/filled"
    _rename_inside(graph, num_tokens, inner)
    is_spoken = counted.add("GreaterOrEqual", total, counted.floats(1))
    is_spoken = counted.add("Squeeze", is_spoken, counted.ints([1]))
    dtype = next(o.type.tensor_type.elem_type for o in graph.output if o.name == num_tokens)
    spoken = counted.add("Cast", is_spoken, to=dtype)
    counted.name(counted.add("Mul", inner, spoken), num_tokens)
    graph.node.extend(counted.nodes)
    graph.initializer.extend(counted.constants)


def _rename_inside(graph: GraphProto, old: str, new: str) -> None:
    """Call an output's tensor otherwise inside, so that another can be the output."""
    outputs = [output.name for output in graph.output]
    rename_reads(graph, old, new)
    for output, name in zip(graph.output, outputs, strict=True):
        output.name = name
    producer = producers_of(graph)[old]
    producer.output[:] = [new if name == old else name for name in producer.output]


def _sum_of_weights(producers: dict[str, NodeProto], num_tokens: str) -> NodeProto:
    """The sum over a row's weights, whose whole part is its number of tokens."""
    node = find_maker(producers, num_tokens, ROUNDINGS)
    if node is None or node.op_type != "ReduceSum":
        raise CheckpointError(
            f"{num_tokens} is no sum of weights, as a Paraformer's is; export it with FunASR's "
            "own exporter"
        )
    return node


def _mask_encoder_out(graph: GraphProto, x_lens: str) -> None:
    """Zeros behind each row's frames, as a row alone has them."""
    producers = producers_of(graph)
    conv = _predictor_convolution(graph)
    node = producers[conv.input[0]]
    while node.op_type in ("Pad", "Transpose"):
        encoder_out = node.input[0]  # [N, T, D], once behind the transposition
        node = producers[encoder_out]
    nodes = Nodes("mask/")
    lens = nodes.add("Cast", x_lens, to=TensorProto.INT64)
    width = nodes.add("Gather", nodes.add("Shape", encoder_out), nodes.ints(1))
    dtype = next(t.data_type for t in graph.initializer if t.name == conv.input[1])
    valid = nodes.add("Cast", add_valid_mask(nodes, lens, width), to=dtype)
    masked = nodes.add("Mul", encoder_out, nodes.add("Unsqueeze", valid, nodes.ints([2])))
    rename_reads(graph, encoder_out, masked)
    insert_after(graph, node, nodes)


def _predictor_convolution(graph: GraphProto) -> NodeProto:
    """The one over frames that mixes channels; FSMN's take one channel each."""
    mixing = {
        tensor.name
        for tensor in graph.initializer
        if len(tensor.dims) == 3 and tensor.dims[1] > 1 and tensor.dims[2] > 1
    }
    nodes: list[NodeProto] = list(graph.node)
    for node in nodes:
        if node.op_type == "Conv" and node.input[1] in mixing:
            return node
    raise CheckpointError(
        "the graph has no convolution that predicts tokens, as a Paraformer's has; export it with "
        "FunASR's own exporter"
    )


def _bound_lstms(graph: GraphProto, x_lens: str) -> None:
    """Let LSTMs that read backwards begin where their row ends."""
    for lstm in [node for node in graph.node if node.op_type == "LSTM"]:
        if _text(lstm, "direction") not in ("bidirectional", "reverse"):
            continue
        nodes = Nodes(f"{lstm.output[0]}/lens/")
        steps = nodes.add("Mul", nodes.add("Cast", x_lens, to=TensorProto.INT64),
                          nodes.ints(_upsampling(graph)))  # fmt: skip
        bounded = nodes.add("Cast", nodes.add("Max", steps, nodes.ints(1)), to=TensorProto.INT32)
        lstm.input[:] = [*[*lstm.input, ""][:4], bounded, *lstm.input[5:]]
        insert_before(graph, lstm, nodes)


def _upsampling(graph: GraphProto) -> int:
    """Steps for each frame of the encoder."""
    strides = [
        attribute.ints[0]
        for node in graph.node
        if node.op_type == "ConvTranspose"
        for attribute in node.attribute
        if attribute.name == "strides"
    ]
    return int(strides[0]) if strides else 1


def _text(node: NodeProto, name: str) -> str:
    values = [helper.get_attribute_value(a) for a in node.attribute if a.name == name]
    return values[0].decode() if values else ""
