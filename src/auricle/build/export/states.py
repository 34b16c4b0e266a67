"""What a streaming export carries from one window to the next, read from its ports.

An input is a state where an output gives its next value under the same name, marked as new; the
axis of its batch is the one that the graph leaves free. icefall's conformer leaves it to the caller
to count the frames done, and sherpa/triton's and WeNet's take the length of the window.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from auricle.build.export.graph import Graph, Port
from auricle.errors import CheckpointError

MARKS = ("new_", "next_", "r_")
HEADINGS = ("state", "type", "shape", "batch axis", "values", "")
LENS = ("integer", 1)
COUNTS = ("processed_lens", "offset")  # frames done: states even where no output advances them


@dataclass(frozen=True)
class State:
    """batch_axis: of the input.  output: its next value; None where the caller counts frames."""

    port: Port
    batch_axis: int
    output: str | None

    @property
    def is_count(self) -> bool:
        """Whether it counts the frames done."""
        return any(count in self.port.name for count in COUNTS)

    @property
    def row(self) -> tuple[int, ...]:
        """The shape of one stream's value, without the batch."""
        dims = self.port.shape[: self.batch_axis] + self.port.shape[self.batch_axis + 1 :]
        return tuple(dim for dim in dims if isinstance(dim, int))

    @property
    def size(self) -> int:
        """Values of one stream."""
        return math.prod(self.row)


@dataclass(frozen=True)
class StreamPorts:
    """A streaming graph's ports by what they are for.

    features: float [N, T, F], T fixed.  lens: how many of the T frames are audio, where the graph
    asks.  outputs: what it says of the window, in the published order, but for lengths.
    """

    features: Port
    lens: Port | None
    states: tuple[State, ...]
    outputs: tuple[Port, ...]

    @property
    def window(self) -> int:
        """Feature frames of one run."""
        num_frames = self.features.shape[1]
        assert isinstance(num_frames, int), "checked when the ports were read"
        return num_frames

    @property
    def size(self) -> int:
        """Values of all states of one stream."""
        return sum(state.size for state in self.states)

    def describe(self, graph: Graph) -> str:
        """As Graph.describe, with the states as a table."""
        lines = [f"{graph.path.name} (opset {graph.opset}), streaming"]
        plain = [self.features, *([self.lens] if self.lens else [])]
        lines += [f"  input     {port}" for port in plain]
        lines += [f"  output    {port}" for port in self.outputs]
        lines += [f"  metadata  {key}={value}" for key, value in graph.metadata.items()]
        return "\n".join([*lines, *_table(self.states)])


def _table(states: tuple[State, ...]) -> Iterator[str]:
    """States that differ in nothing but their number share a line."""
    groups: dict[tuple[str, str], list[State]] = {}
    for state in states:
        stem = re.sub(r"_\d+$", "", state.port.name)
        groups.setdefault((stem, str(state.port.shape)), []).append(state)
    rows = [HEADINGS, *(_line(group) for group in groups.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells).rstrip()}"


def _line(states: list[State]) -> tuple[str, ...]:
    first, last = states[0], states[-1]
    name, dtype, shape = str(first.port).split(" ", 2)
    if len(states) > 1:
        name = f"{name} to {last.port.name.rpartition('_')[2]}"
    values = f"{first.size}" if len(states) == 1 else f"{len(states)} x {first.size}"
    advanced = "" if first.output else "counted in the served graph"
    return name, dtype, shape, str(first.batch_axis), values, advanced


def next_names(graph: Graph) -> dict[str, str]:
    """Input -> the output that is its next value."""
    inputs = {port.name for port in graph.inputs}
    found = {}
    for port in graph.outputs:
        for mark in MARKS:
            for match in re.finditer(rf"(?<![^_/.]){mark}", port.name):
                name = port.name[: match.start()] + port.name[match.end() :]
                if name in inputs:
                    found[name] = port.name
    return found


def plain_outputs(graph: Graph) -> list[Port]:
    """What is no state's next value."""
    states = set(next_names(graph).values())
    return [port for port in graph.outputs if port.name not in states]


def read_ports(graph: Graph) -> StreamPorts:
    """CheckpointError for a batch of one only, an open size, or an input that nothing explains."""
    following = next_names(graph)
    features, *others = graph.inputs
    batch = features.shape[0]
    states, lens = [], None
    for port in others:
        if port.name in following or any(count in port.name for count in COUNTS):
            states.append(State(port, _batch_axis(graph, port, batch), following.get(port.name)))
        elif port.form == LENS and lens is None:
            lens = port
        else:
            raise CheckpointError(
                f"{graph.path.name} takes {port}, of which no output gives the next value and "
                f"which is no count of frames; seen:\n{graph.describe()}"
            )
    _check_batch(graph, states)
    if not isinstance(features.shape[1], int):
        raise CheckpointError(
            f"{graph.path.name} does not state how many frames {features} has; export it again "
            "with a fixed window, as icefall's and WeNet's exporters do"
        )
    outputs = (port for port in plain_outputs(graph) if port.form != LENS)
    return StreamPorts(features, lens, tuple(states), tuple(outputs))


def _batch_axis(graph: Graph, port: Port, batch: int | str | None) -> int:
    free = [axis for axis, dim in enumerate(port.shape) if not isinstance(dim, int)]
    named = [axis for axis in free if port.shape[axis] == batch is not None]
    if free and free in (named, free[:1]):
        return free[0]
    if not free:
        raise CheckpointError(_fixed(graph, [port.name]))
    raise CheckpointError(
        f"{graph.path.name} leaves {len(free)} axes of the state {port} open, so that its size is "
        "unknown; export it again with only the batch dynamic"
    )


def _check_batch(graph: Graph, states: list[State]) -> None:
    """Exports by way of torch.export take N rows by name, and say 1 where these come out again."""
    outputs = {port.name: port for port in graph.outputs}
    first = graph.inputs[0], *plain_outputs(graph)
    fixed = [port.name for port in first if port.shape and isinstance(port.shape[0], int)]
    for state in states:
        port = outputs.get(state.output or "")
        dims = port.shape[state.batch_axis :] if port else ()
        if dims and isinstance(dims[0], int):
            fixed.append(state.output or "")
    if fixed:
        raise CheckpointError(_fixed(graph, fixed))


def _fixed(graph: Graph, names: list[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"{graph.path.name} has a fixed batch size at {shown}; export it with dynamic axes and the "
        "exporter that keeps them (torch.onnx.export(..., dynamo=False))"
    )
