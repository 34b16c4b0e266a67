"""NeMo's encoders in the form of icefall's: frames before features, and their number beside them.

audio_signal [B, F, T] becomes x [B, T, F], outputs [B, D, T'] become encoder_out [B, T', D], and
the lengths are counted from integers: NeMo divides floats, of which float16 counts to 2048.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from onnx import helper

from auricle.build.export.adapt import assemble
from auricle.build.export.graph import Graph, Port, port_of
from auricle.build.export.heads import value_info
from auricle.build.export.sanitize import at_known_opset
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import prefix_names
from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError

PREFIX = "nemo/"
FRAMES_FIRST = [0, 2, 1]  # [B, F, T] <-> [B, T, F]
BASE = 128  # frames, a multiple of every subsampling known
CHECKED = (24, 57, 100, 255, 301)  # frames


@dataclass(frozen=True)
class Subsampling:
    """n feature frames become (n + offset) // factor.

    So do strided convolutions, one after the other: ceil(n / 8) where they are padded on both
    sides, more where they only look back.
    """

    factor: int
    offset: int

    def count(self, num_frames: int) -> int:
        return (num_frames + self.offset) // self.factor

    def add(self, nodes: Nodes, lens: str) -> str:
        """int64 [N] of int64 [N]."""
        shifted = nodes.add("Add", lens, nodes.ints(self.offset))
        return nodes.add("Div", shifted, nodes.ints(self.factor))


def frames_first(graph: Graph, *, is_ctc: bool) -> Graph:
    """Gives log_probs [N, T', V] or encoder_out [N, T', D] and lengths of x [N, T, F], x_lens [N].

    CheckpointError if the graph's frames follow no Subsampling.
    """
    audio, length = graph.inputs
    rate = measure_subsampling(graph, time_axis=1 if is_ctc else 2)
    front, back = Nodes("in/"), Nodes("out/")
    front.name(front.add("Transpose", "x", perm=FRAMES_FIRST), PREFIX + audio.name)
    front.name(front.add("Cast", "x_lens", to=length.dtype), PREFIX + length.name)
    output = add_frames_out(back, graph.outputs[0], is_ctc=is_ctc)
    lens = back.add("Max", rate.add(back, "x_lens"), back.ints(0))
    back.name(lens, f"{output.name}_lens")
    int64 = onnx.TensorProto.INT64
    return rewrap(
        graph,
        (front, back),
        [value_info("x", audio.dtype, "N", "T", channels(audio)), value_info("x_lens", int64, "N")],
        [output, value_info(f"{output.name}_lens", int64, "N")],
    )


def add_frames_out(nodes: Nodes, port: Port, *, is_ctc: bool) -> onnx.ValueInfoProto:
    """The first output of NeMo's graph under its new name, frames first."""
    if is_ctc:
        nodes.name(PREFIX + port.name, "log_probs")
        size = port.shape[2]
    else:
        nodes.name(nodes.add("Transpose", PREFIX + port.name, perm=FRAMES_FIRST), "encoder_out")
        size = port.shape[1]
    name = "log_probs" if is_ctc else "encoder_out"
    return value_info(name, port.dtype, "N", "T", size if isinstance(size, int) else f"{name}_dim")


def channels(audio: Port) -> int:
    """Mel bins; CheckpointError where the graph is silent."""
    size = audio.shape[1]
    if not isinstance(size, int):
        raise CheckpointError(f"the graph does not state the features of {audio}")
    return size


def rewrap(
    graph: Graph,
    around: tuple[Nodes, Nodes],
    inputs: Iterable[onnx.ValueInfoProto],
    outputs: Iterable[onnx.ValueInfoProto],
    metadata: dict[str, str] | None = None,
) -> Graph:
    """The graph between other nodes, its own tensors behind PREFIX."""
    core = at_known_opset(graph, graph.model)
    prefix_names(core.graph, PREFIX)
    model = assemble(core, around, inputs, outputs)
    taken, given = (
        tuple(map(port_of, values)) for values in (model.graph.input, model.graph.output)
    )
    return Graph(graph.path, model, taken, given, {**graph.metadata, **(metadata or {})})


def measure_subsampling(graph: Graph, *, time_axis: int) -> Subsampling:
    """Seen in how many frames come of some numbers of them."""
    count = partial(_count_frames, Session(graph.model), graph, time_axis)
    base, double = count(BASE), count(2 * BASE)
    if double == base or BASE % (double - base):
        raise CheckpointError(_unknown(graph, f"{base} of {BASE} frames, {double} of {2 * BASE}"))
    factor = BASE // (double - base)
    step = next((n for n in range(BASE + 1, BASE + factor + 1) if count(n) > base), BASE + factor)
    rate = Subsampling(factor, factor * (base + 1) - step)
    for num_frames in CHECKED:
        if (found := count(num_frames)) != rate.count(num_frames):
            raise CheckpointError(_unknown(graph, f"{found} of {num_frames} frames"))
    return rate


def _count_frames(session: Session, graph: Graph, time_axis: int, num_frames: int) -> int:
    """CheckpointError where the graph's own count, if it gives one, is another."""
    audio, length = graph.inputs
    features = _as_port(audio, np.zeros((1, channels(audio), num_frames), np.float32))
    lens = _as_port(length, np.array([num_frames]))
    outputs = session.run({audio.name: features, length.name: lens})
    found = int(outputs[graph.outputs[0].name].shape[time_axis])
    if len(graph.outputs) > 1:
        stated = int(outputs[graph.outputs[1].name][0])
        if stated != found:
            raise CheckpointError(_unknown(graph, f"{found} of {num_frames} frames, and {stated}"))
    return found


def _as_port(port: Port, value: Array) -> Array:
    return value.astype(helper.tensor_dtype_to_np_dtype(port.dtype))


def _unknown(graph: Graph, seen: str) -> str:
    return (
        f"{graph.path.name} makes {seen}, which is no even subsampling as NeMo's encoders have it; "
        f"seen:\n{graph.describe()}"
    )
