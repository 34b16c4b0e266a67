"""A window of samples -> the frames that the published encoder sees: stacked, scaled, placed."""

import numpy as np
import numpy.typing as npt

from auricle.build.export.online.published import KEPT, NEW, WINDOW, Published
from auricle.build.frontend.kaldi_fbank import add_frames, add_window_fbank
from auricle.build.frontend.nodes import Nodes

Timescales = npt.NDArray[np.float32]


def add_stacks(nodes: Nodes, published: Published, chunk: str, is_first: str) -> str:
    """Ten stacked frames [N, 10, F] of the samples, normalised, times the root of D.

    is_first: bool [N, 1]; such windows' first frame that is audio stands for those before it.
    """
    lfr, fbank = published.lfr, published.frontend.fbank
    frames = add_window_fbank(nodes, fbank, chunk, published.num_frames)
    before, first, rest = (
        nodes.slice(frames, start, end, axis=1)
        for start, end in (
            (0, lfr.left),
            (lfr.left, lfr.left + 1),
            (lfr.left, published.num_frames),
        )
    )
    is_first = nodes.add("Unsqueeze", is_first, nodes.ints([2]))
    begun = nodes.add("Concat", nodes.add("Where", is_first, first, before), rest, axis=1)
    size = fbank.num_mel_bins
    room = nodes.add("Pad", begun, nodes.ints([0, 0, 0, 0, _room(published), 0]))
    signal = nodes.add("Reshape", room, nodes.ints([0, -1]))
    stacked = add_frames(nodes, signal, lfr.window * size, lfr.shift * size)
    shifted = nodes.add("Add", stacked, nodes.floats(lfr.cmvn.shift))
    scale = lfr.cmvn.scale * np.sqrt(published.dim)
    return nodes.add("Mul", shifted, nodes.floats(scale))


def _room(published: Published) -> int:
    """Frames that make the window a whole number of blocks: add_frames cuts the last stack's."""
    blocks = NEW + -(-published.lfr.window // published.lfr.shift)
    return blocks * published.lfr.shift - published.num_frames


def add_positions(nodes: Nodes, count: str, size: int) -> str:
    """FunASR's sinusoids [N, 20, size]; nothing stands in front of a stream.

    count: float [N, 1], stacked frames before the window's new ones.
    """
    offsets = np.arange(1 - KEPT, 1 + NEW, dtype=np.float32)
    position = nodes.add("Unsqueeze", nodes.add("Add", count, nodes.floats(offsets)),
                         nodes.ints([2]))  # fmt: skip
    angles = nodes.add("Mul", position, nodes.floats(timescales(size)))
    waves = nodes.add("Concat", nodes.add("Sin", angles), nodes.add("Cos", angles), axis=2)
    is_audio = nodes.add("Greater", position, nodes.floats(0))
    nothing = nodes.floats(np.zeros((1, WINDOW, 1)))
    return nodes.add("Where", is_audio, waves, nothing)


def timescales(size: int) -> Timescales:
    """float32 [size / 2]; SinusoidalPositionEncoderOnline of funasr_onnx/utils/frontend.py."""
    step = np.log(np.float32(10000)) / np.float32(size / 2 - 1)
    scales: Timescales = np.exp(np.arange(size // 2, dtype=np.float32) * -step)
    return scales
