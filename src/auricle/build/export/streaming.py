"""A published streaming encoder -> one that takes samples, and all its states as one row.

CHUNK float32 [N, window], STATE float32 [N, S] -> the head's outputs, NEW_STATE float32 [N, S]. A
stream's first STATE is zeros. States lie in it one after the other in the order of the inputs, each
batch first; numbers are exact in float32 up to 2^24, 93 hours of frames of 20 ms.
"""

from dataclasses import dataclass

import onnx
from onnx import TensorProto

from auricle.build.export.adapt import CORE, Recipe, assemble, cast_to
from auricle.build.export.graph import Graph
from auricle.build.export.heads import value_info
from auricle.build.export.sanitize import at_known_opset, inline_paddings
from auricle.build.export.states import State, StreamPorts
from auricle.build.export.surgery import prefix_names
from auricle.build.frontend.features import add_window_features
from auricle.build.frontend.nodes import Nodes

FRAME_AXIS = 1


@dataclass(frozen=True)
class Layout:
    """How a stream is cut; samples but for state_size, floats, and num_frames, of the output.

    reflected: samples in front of the stream's first, mirrored from it; silence: zeros in front.
    delay: samples from the first of a hop back to those that the window's first output is of.
    max_windows, warm_up: how long one state lasts, as spec.Streaming has it.
    """

    window: int
    hop: int
    reflected: int
    state_size: int
    num_frames: int
    delay: int = 0
    max_windows: int | None = None
    warm_up: int = 0
    silence: int = 0

    def describe(self, sample_rate: int) -> str:
        """One line of a report."""
        window, hop, delay = (
            1000 * each / sample_rate for each in (self.window, self.hop, self.delay)
        )
        behind = f", {delay:g} ms behind" if delay else ""
        return (
            f"window    {window:g} ms, every {hop:g} ms{behind}; {self.num_frames} frames each; "
            f"STATE has {self.state_size} values, {self.state_size * 4 / 2**20:.2f} MiB a stream"
        )

    def describe_end(self, sample_rate: int) -> str:
        """Of a stream, or of its states."""
        if self.max_windows is None:
            return "no end to a stream"
        longest, both = (
            windows * self.hop / sample_rate for windows in (self.max_windows, self.warm_up)
        )
        return (
            f"positions for {longest:.2f} s, where a new state goes on, which has heard the last "
            f"{both:.2f} s of them, too"
        )


def adapt_streaming(
    graph: Graph, ports: StreamPorts, recipe: Recipe, layout: Layout
) -> onnx.ModelProto:
    """CHUNK, STATE -> the head's outputs and NEW_STATE."""
    core = at_known_opset(graph, graph.model)
    inline_paddings(core.graph)
    prefix_names(core.graph, CORE)

    front = Nodes("fbank/")
    features = add_window_features(front, recipe.frontend, "CHUNK", ports.window)
    cast_to(front, features, ports.features)
    if ports.lens:
        cast_to(front, _add_lens(front, ports.window), ports.lens)
    _add_unpacking(front, ports.states)

    back = Nodes("head/")
    outputs, _ = recipe.head.add(back, ports.outputs, CORE)
    _add_packing(back, ports.states, layout.num_frames)
    return assemble(
        core,
        (front, back),
        [
            value_info("CHUNK", TensorProto.FLOAT, "N", layout.window),
            value_info("STATE", TensorProto.FLOAT, "N", layout.state_size),
        ],
        [
            *(_with_frames(value, layout.num_frames) for value in outputs),
            value_info("NEW_STATE", TensorProto.FLOAT, "N", layout.state_size),
        ],
    )


def _add_lens(nodes: Nodes, window: int) -> str:
    """int64 [N]: the whole window is audio, since a stream ends in silence."""
    batch = nodes.count_rows("CHUNK")
    return nodes.add("Expand", nodes.ints([window]), batch)


def _add_unpacking(nodes: Nodes, states: tuple[State, ...]) -> None:
    """STATE's columns as the published inputs: batch first, then where the graph has it."""
    sizes = nodes.ints([state.size for state in states])
    rows = nodes.add_many("Split", ("STATE", sizes), len(states), axis=1)
    for state, flat in zip(states, rows, strict=True):
        value = flat
        axis, row = state.batch_axis, state.row
        if _moves(state):
            value = nodes.add("Reshape", value, nodes.ints([-1, *row]))
            perm = [*range(1, axis + 1), 0, *range(axis + 1, len(row) + 1)]
            value = nodes.add("Transpose", value, perm=perm)
        else:
            value = nodes.add("Reshape", value, nodes.ints([*row[:axis], -1, *row[axis:]]))
        cast_to(nodes, value, state.port)


def _add_packing(nodes: Nodes, states: tuple[State, ...], num_frames: int) -> None:
    """NEW_STATE of what the graph gives, and of the frames done where it does not count them."""
    rows = []
    for state in states:
        if state.output is None:
            before = nodes.add("Cast", CORE + state.port.name, to=TensorProto.FLOAT)
            value = nodes.add("Add", before, nodes.floats(num_frames))
        else:
            value = nodes.add("Cast", CORE + state.output, to=TensorProto.FLOAT)
        if _moves(state):
            axis = state.batch_axis
            perm = [axis, *range(axis), *range(axis + 1, len(state.row) + 1)]
            value = nodes.add("Transpose", value, perm=perm)
        rows.append(nodes.add("Reshape", value, nodes.ints([-1, state.size])))
    nodes.name(nodes.add("Concat", *rows, axis=1), "NEW_STATE")


def _moves(state: State) -> bool:
    """Whether batch first is another order of the values; axes of one are not."""
    return any(dim > 1 for dim in state.row[: state.batch_axis])


def _with_frames(value: onnx.ValueInfoProto, num_frames: int) -> onnx.ValueInfoProto:
    value.type.tensor_type.shape.dim[FRAME_AXIS].dim_value = num_frames
    return value
