"""NeMo's log-mel features as ONNX nodes: waveforms of any lengths in, normalised features out.

Pre-emphasis runs over the whole signal, so it stands before the frames. The numbers are those of
NeMo's FilterbankFeatures, nemo/collections/asr/parts/preprocessing/features.py.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.padding import Padding, add_padding, add_valid_mask
from auricle.build.frontend.slaney import slaney_banks
from auricle.build.frontend.spectrum import Framing, add_mel_energies

Edges = Literal["zeros", "reflect"]

FRAME_LENGTH, FRAME_SHIFT, FFT_SIZE = 400, 160, 512  # 25 ms every 10 ms at 16 kHz
PREEMPHASIS = 0.97
LOG_GUARD = 2.0**-24  # added to the energies before the log
STD_GUARD = 1e-5  # added to the standard deviation
# torch.hann_window(400, periodic=False), which numpy calls hanning
FRAMING = Framing(np.hanning(FRAME_LENGTH), FRAME_SHIFT, FFT_SIZE)
BLOCK = 64  # frames that are summed at once: a fixed number, so that a row's sum knows no width


@dataclass(frozen=True)
class NemoMel:
    """What differs between NeMo's checkpoints.

    edges: what lies beyond the audio: zeros since NeMo 2.5, its mirror image up to 2.4, which also
        counts a frame more.
    normalizes: whether each bin has mean 0 and deviation 1 over an utterance; not so in streams.
    tail_frames: padded frames that follow the longest row.
    """

    num_mel_bins: int = 80
    edges: Edges = "zeros"
    normalizes: bool = True
    tail_frames: int = 32

    sample_rate = 16000
    frame_shift = FRAME_SHIFT
    reference = "NeMo's formula in float64"

    @property
    def padding(self) -> Padding:
        """What the network sees behind a row."""
        return Padding(0.0, self.tail_frames)

    @property
    def reflected(self) -> int:
        """Mirrored samples in front of a stream: none."""
        return 0

    @property
    def silence(self) -> int:
        """Zeros in front of a stream: half a frame, and what pre-emphasis looks back on."""
        return FRAME_LENGTH // 2 + 1

    def describe(self) -> str:
        """One line of a report."""
        normalised = "normalised by utterance" if self.normalizes else "not normalised"
        return (
            f"features  {self.num_mel_bins} mel bins of NeMo's, {normalised}; "
            f"{self.edges} beyond the audio"
        )

    def num_samples(self, num_frames: int) -> int:
        """Samples under so many frames side by side, and the one before them."""
        return (num_frames - 1) * FRAME_SHIFT + FRAME_LENGTH + 1


def add_nemo_mel(nodes: Nodes, options: NemoMel, waveforms: str, lens: str) -> tuple[str, str]:
    """Features of a batch and their lengths, by name.

    waveforms: float32 [N, L].  lens: int64 [N], 0 <= lens <= L; the samples beyond are ignored.
    Returns features float32 [N, T, num_mel_bins], where T is the longest row (at least 1 frame) and
    tail_frames, and num_frames int64 [N], from integers alone; frames beyond these are zero.
    """
    num_frames = nodes.add("Div", lens, nodes.ints(FRAME_SHIFT))
    if options.edges == "reflect":
        num_frames = nodes.add("Add", num_frames, nodes.ints(1))
    longest = nodes.add("Max", nodes.add("ReduceMax", num_frames, keepdims=0), nodes.ints(1))
    signal = _add_margins(nodes, _add_preemphasis(nodes, waveforms, lens), longest)
    if options.edges == "reflect":
        signal = _add_mirrored_edges(nodes, signal, lens)
    features = _add_log_mel(nodes, options, signal)
    if options.normalizes:
        features = _add_normalisation(nodes, features, num_frames, longest)
    return add_padding(nodes, options.padding, features, num_frames, longest), num_frames


def add_window_nemo_mel(nodes: Nodes, options: NemoMel, window: str, num_frames: int) -> str:
    """Features float32 [N, num_frames, num_mel_bins], not normalised, of a window of a stream.

    window: float32 [N, options.num_samples(num_frames)], the first of which is only looked back on.
    """
    signal = _add_differences(nodes, window, nodes.add("Slice", window, *_columns(nodes, 1, None)))
    width = (num_frames + FRAMING.num_blocks) * FRAME_SHIFT
    missing = width - options.num_samples(num_frames) + 1
    return _add_log_mel(nodes, options, nodes.add("Pad", signal, nodes.ints([0, 0, 0, missing])))


def _columns(nodes: Nodes, first: int, end: int | None) -> list[str]:
    """The operands of a Slice of axis 1."""
    return [nodes.ints([first]), nodes.ints([1 << 40 if end is None else end]), nodes.ints([1])]


def _add_differences(nodes: Nodes, before: str, signal: str) -> str:
    """0.97 of the sample before each, in before [N, L + 1], taken from signal [N, L]."""
    earlier = nodes.add("Slice", before, *_columns(nodes, 0, -1))
    return nodes.add("Sub", signal, nodes.add("Mul", earlier, nodes.floats(PREEMPHASIS)))


def _add_preemphasis(nodes: Nodes, waveforms: str, lens: str) -> str:
    """[N, L], zeros from each row's length on: the first sample has none before it."""
    before = nodes.add("Pad", waveforms, nodes.ints([0, 1, 0, 0]))
    emphasised = _add_differences(nodes, before, waveforms)
    width = nodes.add("Gather", nodes.add("Shape", waveforms), nodes.ints(1))
    return nodes.add("Where", add_valid_mask(nodes, lens, width), emphasised, nodes.floats(0))


def _add_margins(nodes: Nodes, signal: str, longest: str) -> str:
    """Half a frame of zeros in front, and as many behind as make whole blocks of a shift."""
    left = FRAME_LENGTH // 2
    width = nodes.add("Gather", nodes.add("Shape", signal), nodes.ints([1]))
    blocks = nodes.add("Add", longest, nodes.ints(FRAMING.num_blocks))
    right = nodes.add("Mul", blocks, nodes.ints(FRAME_SHIFT))
    right = nodes.add("Sub", nodes.add("Sub", right, nodes.ints(left)), width)
    return nodes.add("Pad", signal, nodes.add("Concat", nodes.ints([0, left, 0]), right, axis=0))


def _add_mirrored_edges(nodes: Nodes, padded: str, lens: str) -> str:
    """Each row mirrored about its first and last sample, which stand once: a wave of 2n - 2."""
    left = FRAME_LENGTH // 2
    column = nodes.add("Unsqueeze", lens, nodes.ints([1]))  # [N, 1]
    before = nodes.add("Expand", nodes.ints([range(-left, 0)]), nodes.add("Shape", column))
    after = nodes.add("Add", column, nodes.ints(range(left)))
    edges = nodes.add("Concat", before, after, axis=1)  # sample numbers outside 0..n-1
    last = nodes.add("Max", nodes.add("Sub", column, nodes.ints(1)), nodes.ints(0))
    period = nodes.add("Max", nodes.add("Mul", last, nodes.ints(2)), nodes.ints(1))
    phase = nodes.add("Mod", edges, period)
    mirror = nodes.add("Min", phase, nodes.add("Sub", period, phase))
    mirror = nodes.add("Min", mirror, last)
    offset = nodes.ints(left)
    values = nodes.add("GatherElements", padded, nodes.add("Add", mirror, offset), axis=1)
    return nodes.add("ScatterElements", padded, nodes.add("Add", edges, offset), values, axis=1)


def _add_log_mel(nodes: Nodes, options: NemoMel, signal: str) -> str:
    """[N, T, F] of a pre-emphasised signal [N, (T + FRAMING.num_blocks) * FRAME_SHIFT]."""
    energies = add_mel_energies(
        nodes, FRAMING, signal, slaney_banks(options.num_mel_bins, FFT_SIZE)
    )
    return nodes.add("Log", nodes.add("Add", energies, nodes.floats(LOG_GUARD)))


def _add_normalisation(nodes: Nodes, features: str, num_frames: str, longest: str) -> str:
    """Mean 0 and unbiased deviation 1 of each bin over a row's frames.

    What differs from the first frame is summed, or the last digit of a constant's mean, divided by
    STD_GUARD, would be heard in digital silence.
    """
    column = nodes.add("Unsqueeze", num_frames, nodes.ints([1, 2]))  # [N, 1, 1]
    valid = nodes.add("Unsqueeze", add_valid_mask(nodes, num_frames, longest), nodes.ints([2]))
    zero = nodes.floats(0)
    first = nodes.add("Slice", features, *_columns(nodes, 0, 1))
    features = nodes.add("Sub", features, first)
    sums = _add_sum(nodes, nodes.add("Where", valid, features, zero))
    centred = nodes.add("Sub", features, nodes.add("Div", sums, _add_count(nodes, column)))
    centred = nodes.add("Where", valid, centred, zero)
    squares = _add_sum(nodes, nodes.add("Mul", centred, centred))
    fewer = _add_count(nodes, nodes.add("Sub", column, nodes.ints(1)))
    deviation = nodes.add("Sqrt", nodes.add("Div", squares, fewer))
    return nodes.add("Div", centred, nodes.add("Add", deviation, nodes.floats(STD_GUARD)))


def _add_count(nodes: Nodes, count: str) -> str:
    """As a divisor: of a single frame, the deviation is 0, as NeMo has it."""
    return nodes.add("Cast", nodes.add("Max", count, nodes.ints(1)), to=1)


def _add_sum(nodes: Nodes, features: str) -> str:
    """[N, 1, F] of [N, T, F], equal bit for bit whatever zeros stand behind.

    ONNX Runtime sums in an order that depends on the number of frames; so blocks of a fixed number
    are summed, and these one after the other.
    """
    width = nodes.add("Slice", nodes.add("Shape", features), nodes.ints([1]), nodes.ints([2]))
    missing = nodes.add("Mod", nodes.add("Neg", width), nodes.ints(BLOCK))
    pads = nodes.add("Concat", nodes.ints([0] * 4), missing, nodes.ints([0]), axis=0)
    padded = nodes.add("Pad", features, pads)
    shape = nodes.add("Shape", features)
    rows, bins = (
        nodes.add("Slice", shape, nodes.ints([axis]), nodes.ints([axis + 1])) for axis in (0, 2)
    )
    split = nodes.add("Concat", rows, nodes.ints([-1, BLOCK]), bins, axis=0)
    blocks = nodes.add("Reshape", padded, split)
    ones = nodes.floats(np.ones((1, BLOCK)))
    totals = nodes.add("MatMul", ones, blocks)  # [N, blocks, 1, F]
    running = nodes.add("CumSum", nodes.add("Squeeze", totals, nodes.ints([2])), nodes.ints(1))
    return nodes.add("Slice", running, nodes.ints([-1]), nodes.ints([1 << 40]), nodes.ints([1]))
