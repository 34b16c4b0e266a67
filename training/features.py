"""Log-mel filterbank energies by kaldi-native-fbank, with the options of each family of models."""

import dataclasses

import kaldi_native_fbank
import numpy as np
from numpy.typing import NDArray

NUM_MEL_BINS = 80
SAMPLE_RATE_HZ = 16000
LFR_WINDOW, LFR_SHIFT = 7, 6  # frames of 10 ms stacked into one, every 60 ms
Array = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Style:
    """scale: of samples in [-1, 1]; high_freq_hz: 0 is Nyquist, negative is below it."""

    window: str
    scale: float
    high_freq_hz: float
    snip_edges: bool


STYLES = {
    "icefall": Style("povey", 1.0, -400.0, snip_edges=False),  # lhotse's defaults
    "wenet": Style("povey", 32768.0, 0.0, snip_edges=True),
    "funasr": Style("hamming", 32768.0, 0.0, snip_edges=True),
}
ICEFALL = STYLES["icefall"]


def _options(style: Style) -> kaldi_native_fbank.FbankOptions:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE_HZ
    options.frame_opts.dither = 0
    options.frame_opts.window_type = style.window
    options.frame_opts.snip_edges = style.snip_edges
    options.mel_opts.num_bins = NUM_MEL_BINS
    options.mel_opts.high_freq = style.high_freq_hz
    return options


def fbank(waveform: Array, style: Style = ICEFALL) -> Array:
    """waveform: float32 [num_samples] in [-1, 1], 16 kHz. Returns float32 [T, 80]."""
    extractor = kaldi_native_fbank.OnlineFbank(_options(style))
    extractor.accept_waveform(SAMPLE_RATE_HZ, (waveform * style.scale).tolist())
    extractor.input_finished()
    frames = [extractor.get_frame(index) for index in range(extractor.num_frames_ready)]
    return np.stack(frames).astype(np.float32)


def low_frame_rate(features: Array) -> Array:
    """[T, 80] -> [ceil(T / 6), 560]: FunASR's stacking, the first and last frame repeated."""
    num_stacks = -(-len(features) // LFR_SHIFT)
    before = LFR_WINDOW // 2
    index = LFR_SHIFT * np.arange(num_stacks)[:, None] + np.arange(LFR_WINDOW) - before
    return features[index.clip(0, len(features) - 1)].reshape(num_stacks, -1)
