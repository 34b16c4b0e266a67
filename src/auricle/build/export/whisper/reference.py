"""Whisper's features by the formula itself: an FFT in float64, one window at a time."""

import numpy as np

from auricle.build.export.reference import Features, Waveform
from auricle.build.frontend.slaney import slaney_banks
from auricle.build.frontend.whisper_mel import FFT_SIZE, FLOOR, RANGE, SHIFT, WhisperMel


def whisper_features(waveform: Waveform, mel: WhisperMel) -> Features:
    """Float32 [num_mel_bins, num_frames], as openai/whisper's log_mel_spectrogram of a window."""
    audio = np.zeros(mel.num_samples)
    cut = waveform[: mel.num_samples]
    audio[: len(cut)] = cut
    padded = np.pad(audio, FFT_SIZE // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SIZE)[::SHIFT][: mel.num_frames]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT_SIZE) / FFT_SIZE)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    log_mel = np.log10(np.maximum(power @ slaney_banks(mel.num_mel_bins, FFT_SIZE), FLOOR))
    clamped = np.maximum(log_mel, log_mel.max() - RANGE)
    return np.asarray((clamped.T + 4) / 4, np.float32)
