"""An exported streaming graph, run window by window in numpy: the plain loop to compare with."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from training.features import Array

Tensor = NDArray[np.generic]
Tensors = dict[str, Tensor]
SILENCE = np.log(1e-10)  # the log-mel energy that icefall pads with
DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
LENS, OUT_LENS = "chunk_lens", "chunk_out_lens"  # WeNet's: audio in the window, frames of it


class StreamingGraph:
    """Reads from the graph what its states are; a state is a value that the caller keeps."""

    def __init__(self, path: Path, shift: int, uncounted: int = 0) -> None:
        """shift: feature frames from one window to the next.

        uncounted: what to add to processed_lens after each window where the graph does not.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        self._features, *others = self._session.get_inputs()
        self._states = {value.name: value for value in others if value.name != LENS}
        self._has_lens = len(self._states) < len(others)
        self._outputs = [value.name for value in self._session.get_outputs()]
        self._uncounted = uncounted
        self.window = int(self._features.shape[1])
        self.shift = shift

    def initial_state(self, batch_size: int = 1) -> Tensors:
        states: Tensors = {}
        for name, value in self._states.items():
            shape = [batch_size if isinstance(size, str) else size for size in value.shape]
            states[name] = np.zeros(shape, DTYPES[value.type])
        return states

    def stack(self, states: Sequence[Mapping[str, Tensor]]) -> Tensors:
        """States of several streams as one, each along the axis that the graph leaves free."""
        return {
            name: np.concatenate([state[name] for state in states], axis=_free_axis(value.shape))
            for name, value in self._states.items()
        }

    def step(
        self, windows: Array, state: Mapping[str, Tensor], lens: Sequence[int]
    ) -> tuple[Tensors, Tensors]:
        """windows: [N, window, 80]; lens: frames of audio in each. Returns outputs, next state."""
        feed = {self._features.name: windows, **state}
        if self._has_lens:
            feed[LENS] = np.array(lens, np.int32)
        outputs = dict(zip(self._outputs, self._session.run(None, feed), strict=True))
        after = {}
        for name, value in state.items():
            returned = {f"new_{name}", f"r_{name}"} & outputs.keys()
            after[name] = (
                outputs.pop(returned.pop()) if returned else np.add(value, self._uncounted)
            )
        return outputs, after

    def windows(self, features: Array) -> tuple[Array, list[int]]:
        """[T, 80] -> [num_windows, window, 80], padded with silence, and their lengths.

        Each frame lies in the shift of some window, not only in what one looks ahead to.
        """
        starts = self.shift * np.arange(-(-len(features) // self.shift))
        padding = ((0, starts[-1] + self.window - len(features)), (0, 0))
        padded = np.pad(features, padding, constant_values=SILENCE)
        lens = (len(features) - starts).clip(0, self.window)
        return padded[starts[:, None] + np.arange(self.window)], lens.tolist()

    def run(self, features: Array) -> Tensors:
        """The outputs of one stream, [T', *] each; of WeNet's, as many frames as it says."""
        state = self.initial_state()
        steps = []
        for window, length in zip(*self.windows(features), strict=True):
            outputs, state = self.step(window[None], state, [length])
            (frames,) = outputs.pop(OUT_LENS, [None])
            steps.append({name: value[0, :frames] for name, value in outputs.items()})
        return {name: np.concatenate([step[name] for step in steps]) for name in steps[0]}


def _free_axis(shape: Sequence[int | str]) -> int:
    (axis,) = (axis for axis, size in enumerate(shape) if isinstance(size, str))
    return axis
