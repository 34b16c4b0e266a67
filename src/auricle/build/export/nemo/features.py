"""NeMo's features of one utterance by its formula, in float64: what the graph's must equal.

FilterbankFeatures.forward, nemo/collections/asr/parts/preprocessing/features.py, in inference.
"""

import numpy as np
import numpy.typing as npt

from auricle.build.frontend.nemo_mel import (
    FFT_SIZE,
    FRAME_LENGTH,
    FRAME_SHIFT,
    LOG_GUARD,
    PREEMPHASIS,
    STD_GUARD,
    NemoMel,
)
from auricle.build.frontend.slaney import slaney_banks


def nemo_features(waveform: npt.NDArray[np.float32], options: NemoMel) -> npt.NDArray[np.float32]:
    """What one utterance has, [num_frames, num_mel_bins]."""
    samples = waveform.astype(np.float64)
    emphasised = np.concatenate([samples[:1], samples[1:] - PREEMPHASIS * samples[:-1]])
    log_mel = _log_mel(emphasised, options)
    if options.normalizes and len(log_mel):
        log_mel = log_mel - log_mel.mean(axis=0)
        deviation = log_mel.std(axis=0, ddof=1) if len(log_mel) > 1 else 0.0
        log_mel = log_mel / (deviation + STD_GUARD)
    return log_mel.astype(np.float32)


def _log_mel(signal: npt.NDArray[np.float64], options: NemoMel) -> npt.NDArray[np.float64]:
    """A centred STFT of 512 whose window of 400 lies in its middle; no frame beyond the length."""
    mode = "reflect" if options.edges == "reflect" else "constant"
    padded = np.pad(signal, FFT_SIZE // 2, mode=mode)  # type: ignore[call-overload]  # a str
    margin = (FFT_SIZE - FRAME_LENGTH) // 2
    window = np.pad(np.hanning(FRAME_LENGTH), margin)
    num_frames = len(signal) // FRAME_SHIFT + (options.edges == "reflect")
    starts = FRAME_SHIFT * np.arange(num_frames)[:, None]
    spectrum = np.fft.rfft(padded[starts + np.arange(FFT_SIZE)] * window, axis=1)
    energies = np.abs(spectrum) ** 2 @ slaney_banks(options.num_mel_bins, FFT_SIZE)
    return np.asarray(np.log(energies + LOG_GUARD))
