"""What parity is measured with: real audio, and features of it by kaldi-native-fbank and numpy."""

import kaldi_native_fbank as knf
import numpy as np
import numpy.typing as npt

from auricle.build.export.nemo.features import nemo_features
from auricle.build.export.speech import Waveform, load_waveforms
from auricle.build.frontend.features import AnyFrontend
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.build.frontend.lfr import Lfr
from auricle.build.frontend.nemo_mel import NemoMel

__all__ = [
    "Features", "Waveform", "kaldi_features", "load_waveforms", "reference_features",
    "stack_frames", "stream_features",
]  # fmt: skip

Features = npt.NDArray[np.float32]


def reference_features(waveform: Waveform, frontend: AnyFrontend) -> Features:
    """What the graph's features of one utterance must equal, [num_frames, F]."""
    if isinstance(frontend, NemoMel):
        return nemo_features(waveform, frontend)
    features = kaldi_features(waveform, frontend.fbank)
    return features if frontend.lfr is None else stack_frames(features, frontend.lfr)


def stream_features(waveform: Waveform, frontend: AnyFrontend) -> Features:
    """Likewise of a stream, whose windows take frames that are not stacked."""
    if isinstance(frontend, NemoMel):
        return nemo_features(waveform, frontend)
    return kaldi_features(waveform, frontend.fbank)


def stack_frames(features: Features, lfr: Lfr) -> Features:
    """FunASR's low frame rate and CMVN in float64: [T, F] -> float32 [ceil(T / shift), 7 F]."""
    num_frames = len(features)
    starts = np.arange(0, num_frames, lfr.shift)
    frames = starts[:, None] + np.arange(lfr.window) - lfr.left
    stacked = features[frames.clip(0, max(0, num_frames - 1))].astype(np.float64)
    normalised = stacked.reshape(len(starts), len(lfr.cmvn.shift)) + lfr.cmvn.shift
    return np.asarray(normalised * lfr.cmvn.scale, dtype=np.float32)


def kaldi_features(waveform: Waveform, options: FbankOptions) -> Features:
    """What kaldi-native-fbank makes of one utterance, [num_frames, num_mel_bins]."""
    kaldi = knf.FbankOptions()
    kaldi.frame_opts.samp_freq = options.sample_rate
    kaldi.frame_opts.frame_length_ms = options.frame_length_ms
    kaldi.frame_opts.frame_shift_ms = options.frame_shift_ms
    kaldi.frame_opts.preemph_coeff = options.preemphasis
    kaldi.frame_opts.window_type = options.window
    kaldi.frame_opts.snip_edges = options.snip_edges
    kaldi.frame_opts.dither = 0
    kaldi.mel_opts.num_bins = options.num_mel_bins
    kaldi.mel_opts.low_freq = options.low_freq
    kaldi.mel_opts.high_freq = options.high_freq
    extractor = knf.OnlineFbank(kaldi)
    extractor.accept_waveform(options.sample_rate, (waveform * options.scale).tolist())
    extractor.input_finished()
    frames = [extractor.get_frame(i) for i in range(extractor.num_frames_ready)]
    return np.array(frames, dtype=np.float32).reshape(-1, options.num_mel_bins)
