"""Log-mel filterbank energies by kaldi-native-fbank, with icefall's options."""

import kaldi_native_fbank
import numpy as np
from numpy.typing import NDArray

NUM_MEL_BINS = 80
SAMPLE_RATE_HZ = 16000
HIGH_FREQ_HZ = -400  # below Nyquist, as lhotse's default and so icefall's training


def _options() -> kaldi_native_fbank.FbankOptions:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE_HZ
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = NUM_MEL_BINS
    options.mel_opts.high_freq = HIGH_FREQ_HZ
    return options


def fbank(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """waveform: float32 [num_samples] in [-1, 1], 16 kHz. Returns float32 [T, 80]."""
    extractor = kaldi_native_fbank.OnlineFbank(_options())
    extractor.accept_waveform(SAMPLE_RATE_HZ, waveform.tolist())
    extractor.input_finished()
    frames = [extractor.get_frame(index) for index in range(extractor.num_frames_ready)]
    return np.stack(frames).astype(np.float32)
