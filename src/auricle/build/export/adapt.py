"""Published graphs -> the graphs that Auricle serves: fixed names, plain dtypes, waveforms in.

Everything is protobuf editing: no tensor is computed here and nothing is exported again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import onnx
from onnx import TensorProto

from auricle.build.export.folding import fold
from auricle.build.export.graph import Graph, Port
from auricle.build.export.heads import Head, last_dim, value_info
from auricle.build.export.sanitize import at_known_opset, sanitize
from auricle.build.export.session import Array
from auricle.build.export.surgery import prefix_names
from auricle.build.frontend.features import AnyFrontend, add_features
from auricle.build.frontend.nodes import Nodes

MAX_IR_VERSION = 10  # the newest that ONNX Runtime 1.19 reads (Triton 24.10)
WAVEFORMS = (  # what an encoder of whole utterances takes
    value_info("WAV", TensorProto.FLOAT, "N", "L"),
    value_info("WAV_LENS", TensorProto.INT32, "N"),
)
CORE = "core/"  # prefix of everything that came from the checkpoint


@dataclass(frozen=True)
class SideInput:
    """What an encoder takes beside features, one row an utterance.

    name: as served.  port: the published input.  example: one row, int32 or float32 [1, ...].
    """

    name: str
    port: Port
    example: Array


@dataclass(frozen=True)
class Recipe:
    """How a published encoder is served: what goes before it, beside it and behind it.

    repair: what the family's exports need beside the repairs of all, in place.
    """

    frontend: AnyFrontend
    head: Head
    side_inputs: tuple[SideInput, ...] = ()
    repair: Callable[[Graph, onnx.GraphProto], None] | None = None


def repaired(graph: Graph, recipe: Recipe) -> onnx.ModelProto:
    """A copy of the published graph that is right in batches; its ports keep their names."""
    model = sanitize(graph)
    if recipe.repair:
        recipe.repair(graph, model.graph)
    return model


def adapt_encoder(graph: Graph, recipe: Recipe) -> onnx.ModelProto:
    """WAV float32 [N, L], WAV_LENS int32 [N], side inputs -> the head's, and OUT_LENS int32 [N]."""
    x, x_lens = graph.inputs[:2]
    core = repaired(graph, recipe)
    prefix_names(core.graph, CORE)

    front = Nodes("fbank/")
    lens = front.add("Cast", "WAV_LENS", to=TensorProto.INT64)
    features, num_frames = add_features(front, recipe.frontend, "WAV", lens)
    cast_to(front, features, x)
    cast_to(front, num_frames, x_lens)
    for side in recipe.side_inputs:
        cast_to(front, side.name, side.port)

    back = Nodes("head/")
    outputs, steps = recipe.head.add(back, graph.outputs, CORE)
    out_lens = back.add("Max", steps or num_frames, back.ints(0))
    back.name(back.add("Cast", out_lens, to=TensorProto.INT32), "OUT_LENS")
    return assemble(
        core,
        (front, back),
        [
            *WAVEFORMS,
            *map(_side_value, recipe.side_inputs),
        ],
        [*outputs, value_info("OUT_LENS", TensorProto.INT32, "N")],
    )


def _side_value(side: SideInput) -> onnx.ValueInfoProto:
    dtype = TensorProto.INT32 if side.example.dtype.kind == "i" else TensorProto.FLOAT
    sizes = [dim if isinstance(dim, int) else str(dim) for dim in side.port.shape[1:]]
    return value_info(side.name, dtype, "N", *sizes)


def adapt_decoder(graph: Graph, context_size: int) -> onnx.ModelProto:
    """Y int64 [N, context_size] -> decoder_out float32 [N, J]."""
    return adapt_ports(
        graph,
        graph.model,
        [value_info("y", TensorProto.INT64, "N", context_size)],
        value_info("decoder_out", TensorProto.FLOAT, "N", last_dim(graph.outputs[0])),
    )


def adapt_joiner(graph: Graph) -> onnx.ModelProto:
    """encoder_out, decoder_out float32 [N, J] -> logit float32 [N, V]."""
    encoder_out, decoder_out = graph.inputs
    return adapt_ports(
        graph,
        graph.model,
        [
            value_info("encoder_out", TensorProto.FLOAT, "N", last_dim(encoder_out)),
            value_info("decoder_out", TensorProto.FLOAT, "N", last_dim(decoder_out)),
        ],
        value_info("logit", TensorProto.FLOAT, "N", last_dim(graph.outputs[0])),
    )


def adapt_ports(
    graph: Graph,
    model: onnx.ModelProto,
    inputs: list[onnx.ValueInfoProto],
    output: onnx.ValueInfoProto,
) -> onnx.ModelProto:
    """Rename and cast the ports, matched by position; [N, 1, D] outputs lose their middle axis.

    model: the graph's own, or one with another first output.
    """
    core = at_known_opset(graph, model)
    out_name = CORE + core.graph.output[0].name
    prefix_names(core.graph, CORE)
    front, back = Nodes("in/"), Nodes("out/")
    for value, port in zip(inputs, graph.inputs, strict=True):
        cast_to(front, value.name, port)
    result = back.add("Cast", out_name, to=TensorProto.FLOAT)
    if len(graph.outputs[0].shape) == 3:
        result = back.add("Squeeze", result, back.ints([1]))  # [N, 1, D] -> [N, D]
    back.name(result, output.name)
    return assemble(core, (front, back), inputs, [output])


def cast_to(nodes: Nodes, tensor: str, port: Port) -> None:
    nodes.name(nodes.add("Cast", tensor, to=port.dtype), CORE + port.name)


def assemble(
    core: onnx.ModelProto,
    around: tuple[Nodes, Nodes],
    inputs: Iterable[onnx.ValueInfoProto],
    outputs: Iterable[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The core between the nodes before and after it, as one checked model."""
    model = join(core, around, inputs, outputs)
    onnx.checker.check_model(model)
    return model


def join(
    core: onnx.ModelProto,
    around: tuple[Nodes, Nodes],
    inputs: Iterable[onnx.ValueInfoProto],
    outputs: Iterable[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The same where an output's sizes are not known yet, which a checker would refuse."""
    front, back = around
    graph = core.graph
    nodes = [*front.nodes, *graph.node, *back.nodes]
    for field, values in (
        (graph.node, nodes),
        (graph.input, list(inputs)),
        (graph.output, list(outputs)),
    ):
        del field[:]
        field.extend(values)
    graph.initializer.extend([*front.constants, *back.constants])
    fold(core)
    core.ir_version = min(core.ir_version, MAX_IR_VERSION)
    return core
