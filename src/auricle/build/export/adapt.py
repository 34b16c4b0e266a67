"""Published graphs -> the graphs that Auricle serves: fixed names, plain dtypes, waveforms in.

Everything is protobuf editing: no tensor is computed here and nothing is exported again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from auricle.build.export.graph import Graph, Port
from auricle.build.export.sanitize import at_known_opset, prefix_names, sanitize
from auricle.build.frontend.kaldi_fbank import FbankOptions, add_fbank
from auricle.build.frontend.nodes import Nodes

MAX_IR_VERSION = 10  # the newest that ONNX Runtime 1.19 reads (Triton 24.10)
CORE = "core/"  # prefix of everything that came from the checkpoint


@dataclass(frozen=True)
class CtcHead:
    """num_top: log-probabilities per frame that leave the graph."""

    num_top: int
    blank_id: int


def adapt_encoder(graph: Graph, options: FbankOptions, head: CtcHead | None) -> onnx.ModelProto:
    """WAV float32 [N, L], WAV_LENS int32 [N] -> encoder frames and OUT_LENS int32 [N].

    No head: ENCODER_OUT float32 [N, T, D].  CtcHead: TOPK_LOG_PROBS float32 and TOPK_IDS int32
    [N, T, K], most probable first, and BLANK_LOG_PROBS float32 [N, T].
    """
    x, x_lens = graph.inputs
    out, out_lens = graph.outputs[:2]
    core = sanitize(graph)
    prefix_names(core.graph, CORE)

    front = Nodes("fbank/")
    lens = front.add("Cast", "WAV_LENS", to=TensorProto.INT64)
    features, num_frames = add_fbank(front, options, "WAV", lens)
    _cast_to(front, features, x)
    _cast_to(front, num_frames, x_lens)

    back = Nodes("head/")
    frames = back.add("Cast", CORE + out.name, to=TensorProto.FLOAT)
    steps = back.add("Cast", CORE + out_lens.name, to=TensorProto.INT64)
    steps = back.add("Max", steps, back.ints(0))
    back.name(back.add("Cast", steps, to=TensorProto.INT32), "OUT_LENS")
    outputs = _add_ctc_head(back, frames, head) if head else _add_plain_head(back, frames, out)
    return _assemble(
        core,
        (front, back),
        [_value("WAV", TensorProto.FLOAT, "N", "L"), _value("WAV_LENS", TensorProto.INT32, "N")],
        [*outputs, _value("OUT_LENS", TensorProto.INT32, "N")],
    )


def _add_plain_head(back: Nodes, frames: str, out: Port) -> list[onnx.ValueInfoProto]:
    back.name(frames, "ENCODER_OUT")
    return [_value("ENCODER_OUT", TensorProto.FLOAT, "N", "T", _last_dim(out))]


def _add_ctc_head(back: Nodes, log_probs: str, head: CtcHead) -> list[onnx.ValueInfoProto]:
    top, ids = back.add_many("TopK", (log_probs, back.ints([head.num_top])), 2, axis=2)
    back.name(top, "TOPK_LOG_PROBS")
    back.name(back.add("Cast", ids, to=TensorProto.INT32), "TOPK_IDS")
    back.name(back.add("Gather", log_probs, back.ints(head.blank_id), axis=2), "BLANK_LOG_PROBS")
    return [
        _value("TOPK_LOG_PROBS", TensorProto.FLOAT, "N", "T", head.num_top),
        _value("TOPK_IDS", TensorProto.INT32, "N", "T", head.num_top),
        _value("BLANK_LOG_PROBS", TensorProto.FLOAT, "N", "T"),
    ]


def adapt_decoder(graph: Graph, context_size: int) -> onnx.ModelProto:
    """Y int64 [N, context_size] -> decoder_out float32 [N, J]."""
    return _adapt_plain(
        graph,
        [_value("y", TensorProto.INT64, "N", context_size)],
        _value("decoder_out", TensorProto.FLOAT, "N", _last_dim(graph.outputs[0])),
    )


def adapt_joiner(graph: Graph) -> onnx.ModelProto:
    """encoder_out, decoder_out float32 [N, J] -> logit float32 [N, V]."""
    encoder_out, decoder_out = graph.inputs
    return _adapt_plain(
        graph,
        [
            _value("encoder_out", TensorProto.FLOAT, "N", _last_dim(encoder_out)),
            _value("decoder_out", TensorProto.FLOAT, "N", _last_dim(decoder_out)),
        ],
        _value("logit", TensorProto.FLOAT, "N", _last_dim(graph.outputs[0])),
    )


def _adapt_plain(
    graph: Graph, inputs: list[onnx.ValueInfoProto], output: onnx.ValueInfoProto
) -> onnx.ModelProto:
    """Rename and cast the ports, matched by position; [N, 1, D] outputs lose their middle axis."""
    core = at_known_opset(graph)
    prefix_names(core.graph, CORE)
    front, back = Nodes("in/"), Nodes("out/")
    for value, port in zip(inputs, graph.inputs, strict=True):
        _cast_to(front, value.name, port)
    out = graph.outputs[0]
    result = back.add("Cast", CORE + out.name, to=TensorProto.FLOAT)
    if len(out.shape) == 3:
        result = back.add("Squeeze", result, back.ints([1]))  # [N, 1, D] -> [N, D]
    back.name(result, output.name)
    return _assemble(core, (front, back), inputs, [output])


def _cast_to(nodes: Nodes, tensor: str, port: Port) -> None:
    nodes.name(nodes.add("Cast", tensor, to=port.dtype), CORE + port.name)


def _last_dim(port: Port) -> int | str:
    dim = port.shape[-1]
    return dim if isinstance(dim, int) else f"{port.name}_dim"


def _value(name: str, dtype: int, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def _assemble(
    core: onnx.ModelProto,
    around: tuple[Nodes, Nodes],
    inputs: Iterable[onnx.ValueInfoProto],
    outputs: Iterable[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The core between the nodes before and after it, as one checked model."""
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
    core.ir_version = min(core.ir_version, MAX_IR_VERSION)
    onnx.checker.check_model(core)
    return core
