"""Kaldi's log-mel filterbank as ONNX nodes: waveforms of any lengths in, padded features out.

DC removal, pre-emphasis, window and DFT are linear, so they are one matrix: a frame of samples times
it is the frame's spectrum. It is a MatMul over frames and not a strided Conv, because ONNX Runtime's
Conv sums in an order that depends on the number of frames, and a batch must equal its singles bit
for bit; a MatMul with a constant does not.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from auricle.build.frontend.nodes import Nodes

FLOOR = float(np.finfo(np.float32).eps)  # kaldi clamps mel energies here before the log
LOG_PAD = float(np.log(1e-10))  # icefall and sherpa-onnx pad features with it

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FbankOptions:
    """Kaldi's options, as icefall trains with them; snip_edges is false, dither 0, no energy.

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

    @property
    def fft_size(self) -> int:
        return 1 << (self.frame_length - 1).bit_length()

    @property
    def left_edge(self) -> int:
        """Reflected samples before the first: a frame's centre lies half a shift past its start."""
        return (self.frame_length - self.frame_shift) // 2


def add_fbank(nodes: Nodes, options: FbankOptions, waveforms: str, lens: str) -> tuple[str, str]:
    """Features of a batch and their lengths, by name.

    waveforms: float32 [N, L].  lens: int64 [N], 0 <= lens <= L; the samples beyond are ignored.
    Returns features float32 [N, T, num_mel_bins], where T is the longest row (at least 1 frame) and
    tail_frames, and num_frames int64 [N]; frames beyond num_frames hold pad_value.
    """
    shift = options.frame_shift
    rounded = nodes.add("Add", lens, nodes.ints(shift // 2))
    num_frames = nodes.add("Div", rounded, nodes.ints(shift))
    most_frames = nodes.add("Max", nodes.add("ReduceMax", num_frames, keepdims=0), nodes.ints(1))
    signal = _add_reflected_edges(nodes, options, waveforms, lens, most_frames)
    frames = _add_frames(nodes, options, signal)
    spectrum, banks = _matrices(options)
    parts = nodes.add("MatMul", frames, nodes.floats(spectrum))  # [N, T, re and im]
    energies = nodes.add("MatMul", nodes.add("Mul", parts, parts), nodes.floats(banks))
    log_mel = nodes.add("Log", nodes.add("Max", energies, nodes.floats(FLOOR)))
    return _add_padding(nodes, options, log_mel, num_frames, most_frames), num_frames


def _add_reflected_edges(
    nodes: Nodes, options: FbankOptions, waveforms: str, lens: str, most_frames: str
) -> str:
    """Each row mirrored at its own two ends, [N, (most_frames + blocks) * shift].

    Only the edges are gathered and scattered: index arrays of the whole signal would cost twice its
    memory.
    """
    left, shift, length = options.left_edge, options.frame_shift, options.frame_length
    right = length - left - shift // 2  # the last frame reaches this far beyond a row's last sample
    blocks = -(-length // shift)
    total = nodes.add("Mul", nodes.add("Add", most_frames, nodes.ints(blocks)), nodes.ints(shift))
    width = nodes.add("Gather", nodes.add("Shape", waveforms), nodes.ints([1]))
    missing = nodes.add("Sub", nodes.add("Sub", total, nodes.ints(left)), width)
    pads = nodes.add("Concat", nodes.ints([0, left, 0]), missing, axis=0)  # negative: crops
    padded = nodes.add("Pad", waveforms, pads)

    column = nodes.add("Unsqueeze", lens, nodes.ints([1]))  # [N, 1]
    before = nodes.add("Sub", nodes.ints(range(-left, 0)), nodes.add("Mul", column, nodes.ints(0)))
    after = nodes.add("Add", column, nodes.ints(range(right)))
    edges = nodes.add("Concat", before, after, axis=1)  # sample numbers outside 0..n-1, [N, E]
    sources = _add_mirror(nodes, edges, column)
    offset = nodes.ints(left)
    mirrored = nodes.add("GatherElements", padded, nodes.add("Add", sources, offset), axis=1)
    targets = nodes.add("Add", edges, offset)
    return nodes.add("ScatterElements", padded, targets, mirrored, axis=1)


def _add_mirror(nodes: Nodes, indices: str, lens: str) -> str:
    """Kaldi's reflection -s-1, 2n-1-s, repeated until inside 0..n-1: a wave of period 2n."""
    period = nodes.add("Mul", nodes.add("Max", lens, nodes.ints(1)), nodes.ints(2))
    phase = nodes.add("Mod", indices, period)
    falling = nodes.add("Sub", nodes.add("Sub", period, nodes.ints(1)), phase)
    return nodes.add("Min", phase, falling)


def _add_frames(nodes: Nodes, options: FbankOptions, signal: str) -> str:
    """Overlapping frames [N, T, frame_length], joined from slices of shift-long blocks."""
    shift, length = options.frame_shift, options.frame_length
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


def _add_padding(
    nodes: Nodes, options: FbankOptions, log_mel: str, num_frames: str, most_frames: str
) -> str:
    steps = nodes.add("Range", nodes.ints(0), most_frames, nodes.ints(1))
    steps = nodes.add("Unsqueeze", steps, nodes.ints([1]))  # [T, 1]
    valid = nodes.add("Less", steps, nodes.add("Unsqueeze", num_frames, nodes.ints([1, 2])))
    pad_value = nodes.floats(options.pad_value)
    masked = nodes.add("Where", valid, log_mel, pad_value)
    return nodes.add("Pad", masked, nodes.ints([0, 0, 0, 0, options.tail_frames, 0]), pad_value)


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
