"""Log-mel energies by kaldi-native-fbank, with the options of each family, and their statistics."""

import dataclasses
import functools
from collections.abc import Callable

import kaldi_native_fbank
import numpy as np
from numpy.typing import NDArray

NUM_MEL_BINS = 80
SAMPLE_RATE_HZ = 16000
FRAME_LENGTH_MS, FRAME_SHIFT_MS = 25, 10
LFR_WINDOW, LFR_SHIFT = 7, 6  # frames stacked into one, every 60 ms
Array = NDArray[np.float32]
Sums = NDArray[np.float64]


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
    options.frame_opts.frame_length_ms = FRAME_LENGTH_MS
    options.frame_opts.frame_shift_ms = FRAME_SHIFT_MS
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


def nemo_log_mel(waveform: Array) -> Array:
    """NeMo's features before it normalises them: float32 [T, 80], T = num_samples // 160.

    nemo/collections/asr/parts/preprocessing/features.py, since 2.5: zeros beyond the audio.
    """
    emphasized = np.append(waveform[:1], waveform[1:] - 0.97 * waveform[:-1])
    padded = np.pad(emphasized.astype(np.float64), 256)
    starts = 160 * np.arange(len(waveform) // 160)[:, None]
    window = np.pad(np.hanning(400), 56)
    power = np.abs(np.fft.rfft(padded[starts + np.arange(512)] * window)) ** 2
    return np.log(power @ _slaney_filters().T + 2.0**-24).astype(np.float32)


@functools.cache
def _slaney_filters() -> Sums:
    """librosa.filters.mel(sr=16000, n_fft=512, n_mels=80), [80, 257]."""
    top = 15 + 27 * np.log(8) / np.log(6.4)  # mels of 8 kHz
    mels = np.linspace(0, top, NUM_MEL_BINS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    ramps = edges[:, None] - np.linspace(0, 8000, 257)
    widths = np.diff(edges)[:, None]
    triangles = np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]).clip(0)
    return np.asarray(triangles * (2 / (edges[2:] - edges[:-2]))[:, None])


EXTRACTORS: dict[str, Callable[[Array], Array]] = {
    **{name: functools.partial(fbank, style=style) for name, style in STYLES.items()},
    "nemo": nemo_log_mel,
}


def low_frame_rate(features: Array) -> Array:
    """[T, 80] -> [ceil(T / 6), 560]: FunASR's stacking, the first and last frame repeated."""
    num_stacks = -(-len(features) // LFR_SHIFT)
    before = LFR_WINDOW // 2
    index = LFR_SHIFT * np.arange(num_stacks)[:, None] + np.arange(LFR_WINDOW) - before
    return features[index.clip(0, len(features) - 1)].reshape(num_stacks, -1)


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Sums over frames, [F] each, under the names of WeNet's global_cmvn."""

    mean_stat: Sums
    var_stat: Sums
    frame_num: int

    @classmethod
    def of(cls, frames: NDArray[np.floating]) -> "Statistics":
        """frames: [T, F]."""
        exact = frames.astype(np.float64)
        return cls(exact.sum(axis=0), (exact**2).sum(axis=0), len(exact))

    @property
    def mean(self) -> Sums:
        return self.mean_stat / self.frame_num

    @property
    def inverse_std(self) -> Sums:
        return 1 / np.sqrt(self.var_stat / self.frame_num - self.mean**2)
