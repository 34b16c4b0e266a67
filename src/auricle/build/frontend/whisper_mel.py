"""Whisper's log-mel spectrogram as ONNX nodes: waveforms in, a whole window of features out.

The formula is openai/whisper's (whisper/audio.py): a periodic Hann window of 400 samples, centred
on every 160th, the window's audio mirrored at its two ends; power, Slaney's mel banks, log10, no
deeper than 8 below the largest value of the utterance's window, (x + 4) / 4.

Only frames that some row of the batch fills are computed.
"""

from dataclasses import dataclass

import numpy as np

from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.padding import add_valid_mask
from auricle.build.frontend.slaney import slaney_banks
from auricle.build.frontend.spectrum import Framing, add_mel_energies

# https://github.com/openai/whisper/blob/main/whisper/audio.py
SAMPLE_RATE = 16000
FFT_SIZE = 400  # samples; the window's length, too
SHIFT = 160  # samples
FLOOR = 1e-10  # of mel energies
RANGE = 8.0  # decades below the largest value

HALF = FFT_SIZE // 2
LOG_OF_FLOOR = -10.0
HANN = 0.5 - 0.5 * np.cos(2 * np.pi / FFT_SIZE * np.arange(FFT_SIZE))  # periodic
FRAMING = Framing(HANN, SHIFT, FFT_SIZE)
BLOCKS = FRAMING.num_blocks


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
    energies = add_mel_energies(
        nodes, FRAMING, signal, slaney_banks(options.num_mel_bins, FFT_SIZE)
    )
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
    """The window's audio between its mirrored ends, [N, (longest + BLOCKS) * SHIFT]."""
    size = options.num_samples
    width = nodes.add("Gather", nodes.add("Shape", waveforms), nodes.ints([1]))
    missing = nodes.add("Sub", nodes.ints([size]), width)  # negative where the row is longer
    pads = nodes.add("Concat", nodes.ints([0, 0, 0]), missing, axis=0)
    padded = nodes.add("Pad", waveforms, pads)
    valid = add_valid_mask(nodes, lens, nodes.ints(size))
    audio = nodes.add("Where", valid, padded, nodes.floats(0))
    before = _add_mirrored(nodes, audio, HALF, 0)
    last = options.num_frames * SHIFT - SHIFT + HALF - size  # samples of the last frame beyond
    after = _add_mirrored(nodes, audio, size - 2, size - 2 - last)
    room = nodes.add(
        "ConstantOfShape",
        nodes.add(
            "Concat", nodes.add("Shape", lens), nodes.ints([BLOCKS * SHIFT - HALF - last]), axis=0
        ),
    )
    whole = nodes.add("Concat", before, audio, after, room, axis=1)
    blocks = nodes.add("Add", longest, nodes.ints(BLOCKS))
    end = nodes.add("Reshape", nodes.add("Mul", blocks, nodes.ints(SHIFT)), nodes.ints([1]))
    return nodes.add("Slice", whole, nodes.ints([0]), end, nodes.ints([1]))


def _add_mirrored(nodes: Nodes, audio: str, first: int, end: int) -> str:
    """The samples from first down to the one before end is reached."""
    return nodes.add("Slice", audio, *map(nodes.ints, ([first], [end], [1], [-1])))


def _add_silence(nodes: Nodes, options: WhisperMel, decades: str, filled: str, longest: str) -> str:
    """[N, num_frames, num_mel_bins]; what no audio reaches is the floor itself, in any batch."""
    floor = nodes.floats(LOG_OF_FLOOR)
    valid = nodes.add("Unsqueeze", add_valid_mask(nodes, filled, longest), nodes.ints([2]))
    masked = nodes.add("Where", valid, decades, floor)
    missing = nodes.add("Sub", nodes.ints(options.num_frames), longest)
    missing = nodes.add("Reshape", missing, nodes.ints([1]))
    pads = nodes.add("Concat", nodes.ints([0, 0, 0, 0]), missing, nodes.ints([0]), axis=0)
    return nodes.add("Pad", masked, pads, floor)
