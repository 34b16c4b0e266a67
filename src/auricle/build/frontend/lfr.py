"""FunASR's low frame rate: stacked frames, normalised, as ONNX nodes.

A frame of 60 ms is seven of 10 ms side by side: three before its first, itself, three after. The
first frame stands for those before the audio, the last for those behind it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from auricle.build.frontend.kaldi_fbank import add_frames
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.padding import Padding, add_padding, add_valid_mask

Vector = npt.NDArray[np.float64]
PADDING = Padding(value=0.0, tail_frames=0)


@dataclass(frozen=True)
class Cmvn:
    """Stacked features become (x + shift) * scale; both float64 [window * F]."""

    shift: Vector
    scale: Vector


@dataclass(frozen=True)
class Lfr:
    """window: frames side by side.  shift: frames between the first of two stacks."""

    window: int
    shift: int
    cmvn: Cmvn

    @property
    def left(self) -> int:
        """Copies of the first frame before it."""
        return (self.window - 1) // 2


def add_lfr(
    nodes: Nodes, lfr: Lfr, features: str, num_frames: str, longest: str
) -> tuple[str, str]:
    """Stacked features [N, T', window * F] and their lengths int64 [N], by name.

    features: [N, longest, F]; frames beyond num_frames int64 [N] may hold anything.  Stacks beyond
    the lengths are zero.
    """
    window, shift = lfr.window, lfr.shift
    num_mel_bins = len(lfr.cmvn.shift) // window
    filled = _add_last_frames(nodes, features, num_frames, longest)
    num_stacks, widest = (_add_stacks(nodes, shift, frames) for frames in (num_frames, longest))
    blocks = nodes.add("Add", widest, nodes.ints(-(-window // shift)))
    right = nodes.add("Sub", nodes.add("Mul", blocks, nodes.ints(shift)), nodes.ints(lfr.left))
    right = nodes.add("Reshape", nodes.add("Sub", right, longest), nodes.ints([1]))
    pads = nodes.add("Concat", nodes.ints([0, lfr.left, 0, 0]), right, nodes.ints([0]), axis=0)
    padded = nodes.add("Pad", filled, pads, mode="edge")
    signal = nodes.add("Reshape", padded, nodes.ints([0, -1]))
    stacked = add_frames(nodes, signal, window * num_mel_bins, shift * num_mel_bins)
    shifted = nodes.add("Add", stacked, nodes.floats(lfr.cmvn.shift))
    normalised = nodes.add("Mul", shifted, nodes.floats(lfr.cmvn.scale))
    return add_padding(nodes, PADDING, normalised, num_stacks, widest), num_stacks


def _add_stacks(nodes: Nodes, shift: int, num_frames: str) -> str:
    return nodes.add("Div", nodes.add("Add", num_frames, nodes.ints(shift - 1)), nodes.ints(shift))


def _add_last_frames(nodes: Nodes, features: str, num_frames: str, longest: str) -> str:
    """Every frame behind a row's last is that frame again."""
    last = nodes.add("Max", nodes.add("Sub", num_frames, nodes.ints(1)), nodes.ints(0))
    column = nodes.add("Unsqueeze", last, nodes.ints([1]))  # [N, 1]
    frame = nodes.add("GatherND", features, column, batch_dims=1)  # [N, F]
    valid = add_valid_mask(nodes, num_frames, longest)
    return nodes.add(
        "Where",
        nodes.add("Unsqueeze", valid, nodes.ints([2])),
        features,
        nodes.add("Unsqueeze", frame, nodes.ints([1])),
    )
