"""The published encoder behind the features, as it is served."""

import onnx
from onnx import TensorProto

from auricle.build.export.adapt import CORE, WAVEFORMS, assemble, cast_to
from auricle.build.export.graph import Graph, Port
from auricle.build.export.heads import last_dim, value_info
from auricle.build.export.reference import Waveform
from auricle.build.export.sanitize import at_known_opset
from auricle.build.export.served import batch_of
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import prefix_names
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.whisper_mel import SHIFT, WhisperMel, add_whisper_mel
from auricle.errors import CheckpointError

FRAMES_PER_OUTPUT = 2  # the encoder's second convolution has stride 2


def adapt_encoder(graph: Graph, mel: WhisperMel) -> onnx.ModelProto:
    """WAV float32 [N, L], WAV_LENS int32 [N] -> ENCODER_OUT float32 [N, T, D], OUT_LENS int32 [N].

    OUT_LENS: frames with audio in them; the decoder hears all T, as it was trained to.  sherpa-onnx
    publishes keys and values of all layers instead, [layers, N, T, D] both; these stand side by
    side on the last axis, keys first.
    """
    core = at_known_opset(graph, graph.model)
    prefix_names(core.graph, CORE)
    front, back = Nodes("mel/"), Nodes("head/")
    lens = front.add("Cast", "WAV_LENS", to=TensorProto.INT64)
    cast_to(front, add_whisper_mel(front, mel, "WAV", lens), graph.inputs[0])
    parts = [_add_frames_first(back, port) for port in graph.outputs]
    joined = parts[0] if len(parts) == 1 else back.add("Concat", *parts, axis=2)
    back.name(joined, "ENCODER_OUT")
    samples = SHIFT * FRAMES_PER_OUTPUT
    frames = back.add("Div", back.add("Add", lens, back.ints(samples - 1)), back.ints(samples))
    heard = back.add("Min", frames, back.ints(mel.num_frames // FRAMES_PER_OUTPUT))
    back.name(back.add("Cast", heard, to=TensorProto.INT32), "OUT_LENS")
    return assemble(
        core,
        (front, back),
        list(WAVEFORMS),
        [
            value_info("ENCODER_OUT", TensorProto.FLOAT, "N", "T", _width(graph)),
            value_info("OUT_LENS", TensorProto.INT32, "N"),
        ],
    )


def _add_frames_first(nodes: Nodes, port: Port) -> str:
    """Float32 [N, T, ...]: [N, T, D] as it is, [layers, N, T, D] as [N, T, layers * D]."""
    values = nodes.add("Cast", CORE + port.name, to=TensorProto.FLOAT)
    if len(port.shape) == 3:
        return values
    frames_first = nodes.add("Transpose", values, perm=[1, 2, 0, 3])
    return nodes.add("Reshape", frames_first, nodes.ints([0, 0, -1]))


def _width(graph: Graph) -> int | str:
    port = graph.outputs[0]
    if len(port.shape) == 3:
        return last_dim(port)
    return len(graph.outputs) * size_of(port, 0) * port.size


def size_of(port: Port, axis: int) -> int:
    dim = port.shape[axis]
    if not isinstance(dim, int):
        raise CheckpointError(f"the graph does not state axis {axis} of {port}; export it again")
    return dim


def check_encoder(graph: Graph) -> None:
    """CheckpointError, listing what was seen, unless features alone go in, for any batch."""
    inputs, outputs = [[port.form for port in side] for side in (graph.inputs, graph.outputs)]
    if inputs != [("float", 3)] or outputs not in ([("float", 3)], [("float", 4)] * 2):
        raise CheckpointError(
            f"{graph.path.name} is no encoder of Whisper that is known here: it takes features "
            "[N, bins, frames] and gives hidden states [N, T, D], or keys and values [layers, N, T,"
            f" D] as sherpa-onnx exports it; seen:\n{graph.describe()}"
        )
    if isinstance(graph.inputs[0].shape[0], int):
        raise CheckpointError(
            f"{graph.path.name} has a fixed batch size; export it with dynamic axes and the "
            "exporter that keeps them (torch.onnx.export(..., dynamo=False))"
        )


def encode(served: onnx.ModelProto, waveforms: list[Waveform]) -> Array:
    """ENCODER_OUT of waveforms."""
    return Session(served).run(batch_of(waveforms))["ENCODER_OUT"]
