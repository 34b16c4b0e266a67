"""Slaney's mel filters, as librosa.filters.mel makes them (htk=False, norm="slaney")."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

NYQUIST_HZ = 8000.0
# The scale is linear up to the break and logarithmic beyond: librosa.hz_to_mel
LINEAR_HZ, BREAK_HZ, BREAK_MEL = 200 / 3, 1000.0, 15.0
LOG_STEP = np.log(6.4) / 27


def slaney_banks(num_mel_bins: int, fft_size: int) -> Matrix:
    """Triangular filters of equal area up to 8 kHz, [fft_size / 2 + 1 bins, num_mel_bins]."""
    highest = BREAK_MEL + np.log(NYQUIST_HZ / BREAK_HZ) / LOG_STEP  # mel
    bounds = _hertz(np.linspace(0, highest, num_mel_bins + 2))
    left, centre, right = bounds[:-2], bounds[1:-1], bounds[2:]
    bins = np.linspace(0, NYQUIST_HZ, fft_size // 2 + 1)[:, None]
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left))


def _hertz(mel: Matrix) -> Matrix:
    beyond = BREAK_HZ * np.exp(LOG_STEP * (mel - BREAK_MEL))
    return np.asarray(np.where(mel < BREAK_MEL, mel * LINEAR_HZ, beyond))
