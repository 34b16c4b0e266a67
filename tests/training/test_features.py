"""The families' features: FunASR's stacking against a loop, and how the options differ."""

import math
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("kaldi_native_fbank")

from training.features import STYLES, Statistics, fbank, low_frame_rate

Array: TypeAlias = NDArray[np.float32]


@pytest.fixture
def waveform() -> Array:
    return np.random.default_rng(0).uniform(-0.1, 0.1, 16000).astype(np.float32)


@pytest.mark.parametrize("num_frames", [1, 2, 5, 6, 7, 12, 13, 98])
def test_stacking_repeats_first_and_last_frames(num_frames: int) -> None:
    features = np.arange(num_frames, dtype=np.float32)[:, None].repeat(80, axis=1)
    padded = [features[0]] * 3 + list(features)
    expected = []
    for start in range(0, num_frames, 6):
        window = padded[start : start + 7]
        window += [features[-1]] * (7 - len(window))
        expected.append(np.concatenate(window))
    np.testing.assert_array_equal(low_frame_rate(features), np.stack(expected))


@pytest.mark.parametrize(("style", "num_frames"), [("icefall", 100), ("wenet", 98), ("funasr", 98)])
def test_snipped_edges_lose_frames(waveform: Array, style: str, num_frames: int) -> None:
    assert fbank(waveform, STYLES[style]).shape == (num_frames, 80)


def test_scale_is_an_offset_of_logarithms(waveform: Array) -> None:
    scaled = fbank(waveform, STYLES["wenet"])
    plain = fbank(waveform / 32768, STYLES["wenet"])
    np.testing.assert_allclose(scaled - plain, 2 * math.log(32768), rtol=0, atol=1e-3)


def test_sums_give_mean_and_deviation() -> None:
    frames = np.random.default_rng(0).normal(12, 3, (500, 80)).astype(np.float16)
    statistics = Statistics.of(frames)
    exact = frames.astype(np.float64)
    np.testing.assert_allclose(statistics.mean, exact.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(statistics.inverse_std, 1 / exact.std(axis=0), rtol=1e-9)
