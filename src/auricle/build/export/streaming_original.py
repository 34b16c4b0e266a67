"""A published streaming graph run as it is, window by window, its states kept by name."""

from collections.abc import Mapping

import numpy as np

from auricle.build.export.graph import Graph
from auricle.build.export.session import Array, Session, of_type
from auricle.build.export.states import State, StreamPorts
from auricle.errors import CheckpointError

States = dict[str, Array]
ENDLESS = 1 << 24  # frames; beyond, float32 no longer counts them one by one


class Original:
    def __init__(self, graph: Graph, ports: StreamPorts) -> None:
        self._session = Session(graph.model)
        self._ports = ports

    def start(self) -> States:
        """One stream's states before its first window."""
        return {state.port.name: _zeros(state) for state in self._ports.states}

    def step(self, features: Array, states: Mapping[str, Array]) -> tuple[dict[str, Array], States]:
        """The outputs for features [T, F] of one stream, and its next states."""
        ports = self._ports
        inputs = {ports.features.name: of_type(ports.features, features[None]), **states}
        if ports.lens:
            inputs[ports.lens.name] = of_type(ports.lens, np.array([ports.window]))
        outputs = self._session.run(inputs)
        num_frames = count_frames(ports, outputs)
        following = {}
        for state in ports.states:
            if state.output is None:
                name = state.port.name
                following[name] = of_type(state.port, states[name] + num_frames)
            else:
                following[state.port.name] = outputs[state.output]
        return outputs, following

    def probe(self) -> dict[str, Array]:
        """The outputs for a window of nothing at the start of a stream."""
        return self.step(self._silence(), self.start())[0]

    def _silence(self) -> Array:
        return np.zeros((self._ports.window, self._ports.features.size), np.float32)

    def count_windows(self) -> int | None:
        """Windows until a table of positions ends, which exports say nowhere; None without one."""
        counts = [state for state in self._ports.states if state.is_count]
        if not counts or self._takes(counts, ENDLESS):
            return None
        fits, fails = 0, ENDLESS
        while fails - fits > 1:
            middle = (fits + fails) // 2
            fits, fails = (middle, fails) if self._takes(counts, middle) else (fits, middle)
        return fits // self._hop(counts[0]) + 1

    def _takes(self, counts: list[State], count: int) -> bool:
        """Whether a window runs after so many frames."""
        states = self.start()
        for state in counts:
            states[state.port.name] += count
        try:
            self.step(self._silence(), states)
        except CheckpointError:
            return False
        return True

    def _hop(self, count: State) -> int:
        """What a window adds to a count."""
        _, following = self.step(self._silence(), self.start())
        return int(following[count.port.name].max())


def count_frames(ports: StreamPorts, outputs: Mapping[str, Array]) -> int:
    return int(outputs[ports.outputs[0].name].shape[1])


def _zeros(state: State) -> Array:
    axis = state.batch_axis
    return of_type(state.port, np.zeros((*state.row[:axis], 1, *state.row[axis:]), np.float32))
