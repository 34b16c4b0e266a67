"""Kaldi's log-mel filterbank as ONNX nodes: waveforms of any lengths in, padded features out.

DC removal, pre-emphasis, window and DFT are linear, so they are one matrix: a frame of samples
times it is the frame's spectrum. It is a MatMul over frames and not a strided Conv, because ONNX
Runtime's Conv sums in an order that depends on the number of frames (below 65), and a batch must
equal its singles bit for bit; a MatMul with a constant does not.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.padding import Padding, add_padding

FLOOR = float(np.finfo(np.float32).eps)  # kaldi clamps mel energies here before the log
LOG_PAD = float(np.log(1e-10))  # icefall and sherpa-onnx pad features with it

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FbankOptions:
    """Kaldi's options, as icefall trains with them by default; dither 0, no energy.

    snip_edges: frames lie inside the audio, which is reflected at its ends otherwise.
    high_freq: Hz, below the Nyquist frequency if it is <= 0.
    scale: samples are multiplied by it (32768 for families trained on int16 scale).
    tail_frames: padded frames that follow the longest row.
    """

    sample_rate: int = 16000
    num_mel_bins: int = 80
    frame_length_ms: int = 25
    frame_shift_ms: int = 10
    window: Literal["povey", "hamming"] = "povey"
    low_freq: float = 20.0
    high_freq: float = -400.0
    preemphasis: float = 0.97
    scale: float = 1.0
    snip_edges: bool = False
    pad_value: float = LOG_PAD
    tail_frames: int = 32

    @property
    def frame_length(self) -> int:
        """Samples."""
        return self.sample_rate * self.frame_length_ms // 1000

    @property
    def frame_shift(self) -> int:
        """Samples."""
        return self.sample_rate * self.frame_shift_ms // 1000

    def num_samples(self, num_frames: int) -> int:
        """Samples under so many frames side by side."""
        return (num_frames - 1) * self.frame_shift + self.frame_length

    @property
    def fft_size(self) -> int:
        return 1 << (self.frame_length - 1).bit_length()

    @property
    def left_edge(self) -> int:
        """Reflected samples before the first: a frame's centre lies half a shift past its start."""
        return 0 if self.snip_edges else self.frame_length // 2 - self.frame_shift // 2

    @property
    def block_starts(self) -> range:
        """Where the shift-long blocks of a frame begin; the last block may be cut short."""
        return range(0, self.frame_length, self.frame_shift)


def add_fbank(nodes: Nodes, options: FbankOptions, waveforms: str, lens: str) -> tuple[str, str]:
    """Features of a batch and their lengths, by name.

    waveforms: float32 [N, L].  lens: int64 [N], 0 <= lens <= L; the samples beyond are ignored.
    Returns features float32 [N, T, num_mel_bins], where T is the longest row (at least 1 frame) and
    tail_frames, and num_frames int64 [N]; frames beyond num_frames hold pad_value.
    """
    log_mel, num_frames, longest = add_log_mel(nodes, options, waveforms, lens)
    padding = Padding(options.pad_value, options.tail_frames)
    return add_padding(nodes, padding, log_mel, num_frames, longest), num_frames


def add_window_fbank(nodes: Nodes, options: FbankOptions, window: str, num_frames: int) -> str:
    """Features float32 [N, num_frames, num_mel_bins] of samples as they are: nothing is padded.

    window: float32 [N, options.num_samples(num_frames)].
    """
    shift = options.frame_shift
    width = (num_frames + len(options.block_starts)) * shift
    missing = width - options.num_samples(num_frames)
    padded = nodes.add("Pad", _from_zero(nodes, window, 0), nodes.ints([0, 0, 0, missing]))
    return _add_log_energies(nodes, options, padded)


def add_log_mel(
    nodes: Nodes, options: FbankOptions, waveforms: str, lens: str
) -> tuple[str, str, str]:
    """As add_fbank, but frames beyond num_frames hold anything, and none follow the longest row.

    Returns also the longest row's number of frames, at least 1, int64 [].
    """
    num_frames = _add_num_frames(nodes, options, lens)
    longest = nodes.add("Max", nodes.add("ReduceMax", num_frames, keepdims=0), nodes.ints(1))
    signal = _add_margins(nodes, options, waveforms, longest)
    if not options.snip_edges:
        signal = _add_reflected_edges(nodes, options, signal, lens)
    return _add_log_energies(nodes, options, signal), num_frames, longest


def _add_log_energies(nodes: Nodes, options: FbankOptions, signal: str) -> str:
    """[N, T, num_mel_bins] of a signal that has room for a whole number of blocks."""
    frames = add_frames(nodes, signal, options.frame_length, options.frame_shift)
    spectrum, banks = _matrices(options)
    parts = nodes.add("MatMul", frames, nodes.floats(spectrum))  # [N, T, re and im]
    energies = nodes.add("MatMul", nodes.add("Mul", parts, parts), nodes.floats(banks))
    return nodes.add("Log", nodes.add("Max", energies, nodes.floats(FLOOR)))


def _from_zero(nodes: Nodes, signal: str, first: int) -> str:
    """Rows whose sample at `first` is zero.

    An offset is gone from every frame anyway, but in float32 it would take the digits of quiet
    speech with it.
    """
    index = map(nodes.ints, ([first], [first + 1], [1]))
    return nodes.add("Sub", signal, nodes.add("Slice", signal, *index))


def _add_num_frames(nodes: Nodes, options: FbankOptions, lens: str) -> str:
    """int64 [N]: the shifts in the audio, rounded, or the whole frames that fit into it."""
    shift, length = options.frame_shift, options.frame_length
    offset = shift - length if options.snip_edges else shift // 2
    num_frames = nodes.add("Div", nodes.add("Add", lens, nodes.ints(offset)), nodes.ints(shift))
    return nodes.add("Max", num_frames, nodes.ints(0)) if options.snip_edges else num_frames


def _add_margins(nodes: Nodes, options: FbankOptions, waveforms: str, longest: str) -> str:
    """Rows with room for the reflected edges, [N, (longest + blocks of a frame) * frame_shift]."""
    left, shift = options.left_edge, options.frame_shift
    blocks = nodes.add("Add", longest, nodes.ints(len(options.block_starts)))
    width = nodes.add("Gather", nodes.add("Shape", waveforms), nodes.ints([1]))
    right = nodes.add("Sub", nodes.add("Mul", blocks, nodes.ints(shift)), nodes.ints(left))
    right = nodes.add("Sub", right, width)  # negative where samples beyond the longest row go
    pads = nodes.add("Concat", nodes.ints([0, left, 0]), right, axis=0)
    return _from_zero(nodes, nodes.add("Pad", waveforms, pads), left)


def _add_reflected_edges(nodes: Nodes, options: FbankOptions, padded: str, lens: str) -> str:
    """Each row mirrored at its own two ends.

    Only the edges are gathered and scattered: an index for every sample would be twice the audio.
    """
    left = options.left_edge
    right = options.frame_length - left - options.frame_shift // 2  # reach of the last frame
    column = nodes.add("Unsqueeze", lens, nodes.ints([1]))  # [N, 1]
    before = nodes.add("Expand", nodes.ints([range(-left, 0)]), nodes.add("Shape", column))
    after = nodes.add("Add", column, nodes.ints(range(right)))
    edges = nodes.add("Concat", before, after, axis=1)  # sample numbers outside 0..n-1
    offset = nodes.ints(left)
    sources = nodes.add("Add", _add_mirror(nodes, edges, column), offset)
    mirrored = nodes.add("GatherElements", padded, sources, axis=1)
    return nodes.add("ScatterElements", padded, nodes.add("Add", edges, offset), mirrored, axis=1)


def _add_mirror(nodes: Nodes, indices: str, lens: str) -> str:
    """Kaldi's reflection -s-1, 2n-1-s, repeated until inside 0..n-1: a wave of period 2n."""
    period = nodes.add("Mul", nodes.add("Max", lens, nodes.ints(1)), nodes.ints(2))
    phase = nodes.add("Mod", indices, period)
    falling = nodes.add("Sub", nodes.add("Sub", period, nodes.ints(1)), phase)
    return nodes.add("Min", phase, falling)


def add_frames(nodes: Nodes, signal: str, length: int, shift: int) -> str:
    """Overlapping frames [N, T, length], joined from slices of shift-long blocks.

    signal: [N, (T + blocks of a frame) * shift].
    """
    blocks = nodes.add("Reshape", signal, nodes.ints([0, -1, shift]))
    starts = range(0, length, shift)
    pieces = [
        nodes.add(
            "Slice",
            blocks,
            nodes.ints([i, 0]),
            nodes.ints([i - len(starts), min(shift, length - start)]),
            nodes.ints([1, 2]),
        )
        for i, start in enumerate(starts)
    ]
    return nodes.add("Concat", *pieces, axis=2)


def _matrices(options: FbankOptions) -> tuple[Matrix, Matrix]:
    """Frame to spectrum [frame_length, 2B] (re, then im) and its squares to mel [2B, F].

    Only the B bins that some filter looks at are kept.
    """
    banks = mel_banks(options)
    used = np.flatnonzero(banks.any(axis=1))
    length = options.frame_length
    angle = 2 * np.pi / options.fft_size * np.outer(np.arange(length), used)
    dft = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    remove_dc = np.eye(length) - 1 / length
    emphasize = np.eye(length) - options.preemphasis * np.eye(length, k=-1)
    emphasize[0, 0] -= options.preemphasis  # kaldi: the first sample is its own predecessor
    windowed = window(options)[:, None] * (emphasize @ remove_dc)
    spectrum = options.scale * (windowed.T @ dft)
    return spectrum, np.concatenate([banks[used], banks[used]])


def window(options: FbankOptions) -> Matrix:
    length = options.frame_length
    cosine = np.cos(2 * np.pi * np.arange(length) / (length - 1))
    if options.window == "hamming":
        return np.asarray(0.54 - 0.46 * cosine)
    return np.asarray((0.5 - 0.5 * cosine) ** 0.85)


def mel_banks(options: FbankOptions) -> Matrix:
    """Triangular filters, even on the mel scale, [fft_size / 2 bins, num_mel_bins]."""
    nyquist = options.sample_rate / 2
    high = options.high_freq if options.high_freq > 0 else nyquist + options.high_freq
    bounds = np.linspace(_mel(options.low_freq), _mel(high), options.num_mel_bins + 2)
    left, centre, right = bounds[:-2], bounds[1:-1], bounds[2:]
    bins = _mel(np.arange(options.fft_size // 2) * options.sample_rate / options.fft_size)[:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)))


def _mel(hertz: npt.ArrayLike) -> Matrix:
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0))
