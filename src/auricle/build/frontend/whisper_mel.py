"""Whisper's log-mel spectrogram as ONNX nodes: waveforms in, a whole window of features out.

The formula is openai/whisper's (whisper/audio.py): a periodic Hann window of 400 samples, centred
on every 160th, the window's audio mirrored at its two ends; power, Slaney's mel banks, log10, no
deeper than 8 below the largest value of the utterance's window, (x + 4) / 4.

Frames times a matrix, not a strided Conv (docs/decisions/0001-*.md). The Hann window is its own
mirror image, so the cosines of a frame see only sums of two samples and the sines only differences:
two matrices of half the height. Only frames that some row of the batch fills are computed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from auricle.build.frontend.kaldi_fbank import add_frames
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.padding import add_valid_mask

# https://github.com/openai/whisper/blob/main/whisper/audio.py
SAMPLE_RATE = 16000
FFT_SIZE = 400  # samples; the window's length, too
SHIFT = 160  # samples
FLOOR = 1e-10  # of mel energies
RANGE = 8.0  # decades below the largest value

HALF = FFT_SIZE // 2
LOG_OF_FLOOR = -10.0

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WhisperMel:
    """num_mel_bins: 80, or 128 of large-v3.  num_frames: of a window, 3000 in 30 s."""

    num_mel_bins: int
    num_frames: int

    @property
    def num_samples(self) -> int:
        """Of a window."""
        return self.num_frames * SHIFT


def add_whisper_mel(nodes: Nodes, options: WhisperMel, waveforms: str, lens: str) -> str:
    """Features float32 [N, num_mel_bins, num_frames], by name.

    waveforms: float32 [N, L].  lens: int64 [N], 0 <= lens <= L; the samples beyond are ignored, and
    so is what lies beyond the window.
    """
    filled = _add_filled_frames(nodes, options, lens)  # [N]
    longest = nodes.add("ReduceMax", filled, keepdims=0)
    signal = _add_signal(nodes, options, waveforms, lens, longest)
    energies = _add_energies(nodes, options, add_frames(nodes, signal, FFT_SIZE, SHIFT))
    logs = nodes.add("Log", nodes.add("Max", energies, nodes.floats(FLOOR)))
    decades = nodes.add("Mul", logs, nodes.floats(1 / np.log(10)))
    log_mel = _add_silence(nodes, options, decades, filled, longest)
    flat = nodes.add("Reshape", log_mel, nodes.ints([0, 1, -1]))
    largest = nodes.add("GlobalMaxPool", flat)  # of each row; [N, 1, 1]
    clamped = nodes.add("Max", log_mel, nodes.add("Sub", largest, nodes.floats(RANGE)))
    scaled = nodes.add("Div", nodes.add("Add", clamped, nodes.floats(4)), nodes.floats(4))
    return nodes.add("Transpose", scaled, perm=[0, 2, 1])


def _add_filled_frames(nodes: Nodes, options: WhisperMel, lens: str) -> str:
    """Int64 [N]: the frames that reach into the audio, at least one."""
    reach = nodes.add("Add", lens, nodes.ints(HALF + SHIFT - 1))
    frames = nodes.add("Div", reach, nodes.ints(SHIFT))
    return nodes.add("Min", frames, nodes.ints(options.num_frames))


def _add_signal(nodes: Nodes, options: WhisperMel, waveforms: str, lens: str, longest: str) -> str:
    """The window's audio between its mirrored ends, [N, (longest + 3) * SHIFT]."""
    size = options.num_samples
    width = nodes.add("Gather", nodes.add("Shape", waveforms), nodes.ints([1]))
    missing = nodes.add("Sub", nodes.ints([size]), width)  # negative where the row is longer
    pads = nodes.add("Concat", nodes.ints([0, 0, 0]), missing, axis=0)
    padded = nodes.add("Pad", waveforms, pads)
    valid = add_valid_mask(nodes, lens, nodes.ints(size))
    audio = nodes.add("Where", valid, padded, nodes.floats(0))
    before = _add_slice(nodes, audio, (HALF, 0, -1), axis=1)
    last = options.num_frames * SHIFT - SHIFT + HALF - size  # samples of the last frame beyond
    after = _add_slice(nodes, audio, (size - 2, size - 2 - last, -1), axis=1)
    room = nodes.add(
        "ConstantOfShape",
        nodes.add("Concat", _add_rows(nodes, lens), nodes.ints([3 * SHIFT - HALF - last]), axis=0),
    )
    whole = nodes.add("Concat", before, audio, after, room, axis=1)
    blocks = nodes.add("Add", longest, nodes.ints(3))
    end = nodes.add("Reshape", nodes.add("Mul", blocks, nodes.ints(SHIFT)), nodes.ints([1]))
    return nodes.add("Slice", whole, nodes.ints([0]), end, nodes.ints([1]))


def _add_rows(nodes: Nodes, lens: str) -> str:
    """Int64 [1], the number of rows."""
    return nodes.add("Shape", lens)


def _add_slice(nodes: Nodes, tensor: str, bounds: tuple[int, int, int], axis: int) -> str:
    """bounds: start, end, step."""
    start, end, step = ([bound] for bound in bounds)
    return nodes.add("Slice", tensor, *map(nodes.ints, (start, end, [axis], step)))


def _add_energies(nodes: Nodes, options: WhisperMel, frames: str) -> str:
    """Mel energies [N, T, num_mel_bins] of frames [N, T, FFT_SIZE]."""
    cosines, sines, banks = _matrices(options.num_mel_bins)
    first = _add_slice(nodes, frames, (1, HALF, 1), axis=2)
    middle = _add_slice(nodes, frames, (HALF, HALF + 1, 1), axis=2)
    mirrored = _add_slice(nodes, frames, (FFT_SIZE - 1, HALF, -1), axis=2)
    sums = nodes.add("Concat", nodes.add("Add", first, mirrored), middle, axis=2)
    real = nodes.add("MatMul", sums, nodes.floats(cosines))
    imaginary = nodes.add("MatMul", nodes.add("Sub", first, mirrored), nodes.floats(sines))
    squares = [nodes.add("Mul", part, part) for part in (real, imaginary)]
    return nodes.add("MatMul", nodes.add("Add", *squares), nodes.floats(banks))


def _add_silence(nodes: Nodes, options: WhisperMel, decades: str, filled: str, longest: str) -> str:
    """[N, num_frames, num_mel_bins]; what no audio reaches is the floor itself, in any batch."""
    floor = nodes.floats(LOG_OF_FLOOR)
    valid = nodes.add("Unsqueeze", add_valid_mask(nodes, filled, longest), nodes.ints([2]))
    masked = nodes.add("Where", valid, decades, floor)
    missing = nodes.add("Sub", nodes.ints(options.num_frames), longest)
    missing = nodes.add("Reshape", missing, nodes.ints([1]))
    pads = nodes.add("Concat", nodes.ints([0, 0, 0, 0]), missing, nodes.ints([0]), axis=0)
    return nodes.add("Pad", masked, pads, floor)


def _matrices(num_mel_bins: int) -> tuple[Matrix, Matrix, Matrix]:
    """Sums of samples to real parts [HALF, B], differences to imaginary [HALF - 1, B].

    Third are the banks [B, F]. Only the B bins that some filter looks at are kept. The window's
    first sample is zero.
    """
    banks = mel_banks(num_mel_bins)
    used = np.flatnonzero(banks.any(axis=1))
    samples = np.arange(1, HALF + 1)
    angle = 2 * np.pi / FFT_SIZE * np.outer(samples, used)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi / FFT_SIZE * samples)  # periodic, as torch.hann_window's
    return hann[:, None] * np.cos(angle), (hann[:, None] * np.sin(angle))[:-1], banks[used]


def mel_banks(num_mel_bins: int) -> Matrix:
    """Slaney's filters, of equal area, up to the Nyquist frequency: [FFT_SIZE / 2 + 1, F].

    As librosa.filters.mel(sr=16000, n_fft=400), which made whisper/assets/mel_filters.npz.
    """
    nyquist = SAMPLE_RATE / 2
    bounds = _hertz(np.linspace(_mel(0.0), _mel(nyquist), num_mel_bins + 2))
    left, centre, right = bounds[:-2], bounds[1:-1], bounds[2:]
    bins = np.linspace(0, nyquist, HALF + 1)[:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * 2 / (right - left))


# Slaney's mel scale, as librosa's hz_to_mel(htk=False): linear to 1 kHz, logarithmic beyond.
LINEAR_HZ = 200 / 3  # of a mel
BREAK_HZ, BREAK_MEL = 1000.0, 15.0
LOG_STEP = np.log(6.4) / 27


def _mel(hertz: float) -> float:
    if hertz < BREAK_HZ:
        return hertz / LINEAR_HZ
    return float(BREAK_MEL + np.log(hertz / BREAK_HZ) / LOG_STEP)


def _hertz(mels: Matrix) -> Matrix:
    beyond = BREAK_HZ * np.exp(LOG_STEP * (mels - BREAK_MEL))
    return np.where(mels < BREAK_MEL, mels * LINEAR_HZ, beyond)
