"""The decoder as two graphs that are served: once an utterance, and once a token."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import onnx
from onnx import NodeProto, TensorProto, helper

from auricle.build.export.adapt import CORE, assemble, cast_to, join
from auricle.build.export.dtypes import tensor_types
from auricle.build.export.graph import Graph, Port
from auricle.build.export.heads import last_dim, value_info
from auricle.build.export.sanitize import at_known_opset
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import prefix_names, set_nodes
from auricle.build.export.whisper.encoder import size_of
from auricle.build.export.whisper.hoist import constant_nodes, hoist, leave
from auricle.build.export.whisper.published import IDS, OFFSET, Decoder, Optimum, Sherpa
from auricle.build.export.whisper.rows import count_rows
from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError

STEP = "step/"  # prefix of what was taken out of a step's graph


@dataclass(frozen=True)
class Served:
    """What ENCODER_OUT gives, and what a step makes of that."""

    cross_attention: onnx.ModelProto
    decoder: onnx.ModelProto


@dataclass(frozen=True)
class Past:
    """A cache of self-attention: a step's input, and its output that holds a token more.

    layers_first: whether it is [layers, N, tokens, D] instead of [N, heads, tokens, D / heads].
    """

    port: Port
    made: str
    layers_first: bool

    @property
    def sizes(self) -> list[int]:
        """Of its axes as it is served, behind the batch's, when it holds nothing."""
        other, last = size_of(self.port, 0 if self.layers_first else 1), size_of(self.port, 3)
        return [other, 0, last]


@dataclass
class Parts:
    """What the cross-attention's graph is made of."""

    front: Nodes = field(default_factory=lambda: Nodes("in/"))
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)


def adapt_decoder(decoder: Decoder, example: Array) -> Served:
    """example: ENCODER_OUT of one utterance, which shows the sizes of all that follows from it."""
    step = at_known_opset(decoder.step, decoder.step.model)
    if isinstance(decoder, Optimum):
        given, parts = list(decoder.made), _take_optimum(decoder, step)
    else:
        given, parts = [port.name for port in decoder.step.inputs[3:5]], _take_sherpa(decoder)
    pasts = find_pasts(decoder)
    hoisted = hoist(step.graph, given)
    cross = _assemble_cross(parts, step, given, pasts, example)
    leave(step.graph, hoisted)
    values = [each for each in cross.graph.output if each.name.startswith("CROSS_")]
    return Served(cross, _assemble_step(decoder, step, hoisted.results, values, pasts))


def find_pasts(decoder: Decoder) -> list[Past]:
    inputs, outputs = decoder.step.inputs, decoder.step.outputs
    if isinstance(decoder, Sherpa):
        made = zip(inputs[1:3], outputs[1:3], strict=True)
        return [Past(port, output.name, layers_first=True) for port, output in made]
    return [Past(_port(inputs, name), made, False) for name, made in decoder.pasts.items()]


def _port(ports: Sequence[Port], name: str) -> Port:
    return next(port for port in ports if port.name == name)


def _take_optimum(decoder: Optimum, step: onnx.ModelProto) -> Parts:
    """Keys and values as the decoder of the start makes them; it is told of no tokens but zeros."""
    first = at_known_opset(decoder.first, decoder.first.model)
    if [each.version for each in first.opset_import] != [
        each.version for each in step.opset_import
    ]:
        raise CheckpointError(
            f"{decoder.first.path.name} and {decoder.step.path.name} are of two opsets; export "
            "them together"
        )
    prefix_names(first.graph, CORE)
    count_rows(first.graph, CORE + decoder.tokens.name, CORE + decoder.hidden.name)
    parts = Parts()
    cast_to(parts.front, "ENCODER_OUT", decoder.hidden)
    rows = parts.front.count_rows("ENCODER_OUT")
    shape = parts.front.add("Concat", rows, parts.front.ints([1]), axis=0)
    cast_to(parts.front, parts.front.add("Expand", parts.front.ints([[0]]), shape), decoder.tokens)
    parts.nodes += first.graph.node
    parts.nodes += [
        helper.make_node("Identity", [CORE + made], [STEP + given])
        for given, made in decoder.made.items()
    ]
    parts.constants += first.graph.initializer
    return parts


def _take_sherpa(decoder: Sherpa) -> Parts:
    """ENCODER_OUT's last axis back to stacks of layers, keys first: [layers, N, T, D] both."""
    keys, values = decoder.step.inputs[3:5]
    num_layers, size = size_of(keys, 0), keys.size
    parts = Parts()
    front = parts.front
    by_layer = front.add("Reshape", "ENCODER_OUT", front.ints([0, 0, 2 * num_layers, size]))
    layers_first = front.add("Transpose", by_layer, perm=[2, 0, 1, 3])
    for start, port in ((0, keys), (num_layers, values)):
        stack = front.slice(layers_first, start, start + num_layers, axis=0)
        front.name(front.add("Cast", stack, to=port.dtype), STEP + port.name)
    return parts


def _assemble_cross(  # one a part
    parts: Parts,
    step: onnx.ModelProto,
    given: list[str],
    pasts: list[Past],
    example: Array,
) -> onnx.ModelProto:
    """ENCODER_OUT -> CROSS_*, and PAST_* without a token in them."""
    core = onnx.ModelProto()
    core.CopyFrom(step)
    hoisted = hoist(core.graph, given)
    set_nodes(core.graph, [*constant_nodes(core.graph), *hoisted.nodes])
    del core.graph.input[:], core.graph.output[:]
    prefix_names(core.graph, STEP)
    set_nodes(core.graph, [*parts.nodes, *core.graph.node])
    core.graph.initializer.extend(parts.constants)
    back = Nodes("out/")
    outputs = []
    types = tensor_types(step)
    for number, result in enumerate(hoisted.results):
        back.name(STEP + result, f"CROSS_{number}")
        outputs.append(
            helper.make_tensor_value_info(
                f"CROSS_{number}", types.get(result, TensorProto.FLOAT), None
            )
        )
    rows = back.count_rows("ENCODER_OUT")
    for number, past in enumerate(pasts):
        shape = back.add("Concat", rows, back.ints(past.sizes), axis=0)
        nothing = back.add("ConstantOfShape", shape)
        back.name(back.add("Cast", nothing, to=past.port.dtype), f"PAST_{number}")
        outputs.append(value_info(f"PAST_{number}", past.port.dtype, "N", *past.sizes))
    source = value_info("ENCODER_OUT", TensorProto.FLOAT, "N", "T", example.shape[-1])
    model = join(core, (parts.front, back), [source], outputs)
    return _with_sizes(model, Session(model).run({"ENCODER_OUT": example}))


def _with_sizes(model: onnx.ModelProto, found: dict[str, Array]) -> onnx.ModelProto:
    """The model with the sizes that its outputs turn out to have, but for the batch."""
    for value in model.graph.output:
        shape = found[value.name].shape
        dtype = value.type.tensor_type.elem_type
        value.CopyFrom(value_info(value.name, dtype, "N", *shape[1:]))
    onnx.checker.check_model(model)
    return model


def _assemble_step(
    decoder: Decoder,
    step: onnx.ModelProto,
    results: list[str],
    cross: list[onnx.ValueInfoProto],
    pasts: list[Past],
) -> onnx.ModelProto:
    """TOKENS int32 [N], CROSS_*, PAST_* -> LOGITS float32 [N, V], NEW_PAST_*."""
    prefix_names(step.graph, CORE)
    front, back = Nodes("in/"), Nodes("out/")
    tokens = front.add("Unsqueeze", "TOKENS", front.ints([1]))
    cast_to(front, tokens, next(port for port in decoder.step.inputs if port.form == IDS))
    for value, result in zip(cross, results, strict=True):
        front.name(value.name, CORE + result)
    for number, past in enumerate(pasts):
        _add_past(front, back, past, number)
    for port in decoder.step.inputs:
        if port.form == OFFSET:
            offset = front.add("Gather", front.add("Shape", "PAST_0"), front.ints([2]))
            cast_to(front, offset, port)
    scores = decoder.step.outputs[0]
    logits = back.add("Cast", CORE + scores.name, to=TensorProto.FLOAT)
    back.name(back.add("Squeeze", logits, back.ints([1])), "LOGITS")
    return assemble(
        step,
        (front, back),
        [value_info("TOKENS", TensorProto.INT32, "N"), *cross, *_past_values(pasts, "", "P")],
        [
            value_info("LOGITS", TensorProto.FLOAT, "N", last_dim(scores)),
            *_past_values(pasts, "NEW_", "P + 1"),
        ],
    )


def _past_values(pasts: list[Past], prefix: str, tokens: str) -> list[onnx.ValueInfoProto]:
    values = []
    for number, past in enumerate(pasts):
        other, _, last = past.sizes
        name = f"{prefix}PAST_{number}"
        values.append(value_info(name, past.port.dtype, "N", other, tokens, last))
    return values


def _add_past(front: Nodes, back: Nodes, past: Past, number: int) -> None:
    """sherpa-onnx's has room for all tokens; here there is room for the next one only."""
    name, made = f"PAST_{number}", CORE + past.made
    if past.layers_first:
        layers_first = front.add("Transpose", name, perm=[1, 0, 2, 3])
        room = front.ints([0, 0, 0, 0, 0, 0, 1, 0])
        front.name(front.add("Pad", layers_first, room), CORE + past.port.name)
        made = back.add("Transpose", made, perm=[1, 0, 2, 3])
    else:
        front.name(name, CORE + past.port.name)
    back.name(made, f"NEW_{name}")


def describe(decoder: Decoder) -> tuple[str, ...]:
    """What the published graphs are."""
    graphs: tuple[Graph, ...] = (decoder.step,)
    if isinstance(decoder, Optimum) and decoder.first.path != decoder.step.path:
        graphs = (decoder.first, decoder.step)
    return tuple(graph.describe() for graph in graphs)
