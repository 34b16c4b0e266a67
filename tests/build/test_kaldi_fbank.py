"""The fbank graph against kaldi-native-fbank, and its law: padding changes nothing."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle import audio
from auricle.build.export.reference import kaldi_features, load_waveforms
from auricle.build.export.served import batch_of
from auricle.build.export.session import Session
from auricle.build.frontend.kaldi_fbank import FLOOR, LOG_PAD, FbankOptions, add_fbank
from auricle.build.frontend.nodes import Nodes
from tests.build.front import make_front

pytestmark = pytest.mark.onnx

Waveform = npt.NDArray[np.float32]
ICEFALL = FbankOptions()
TOLERANCE = 1e-3
# The floor of a frame, 75 dB below its peak. Float32 keeps no more apart: 80 dB below the peaks of
# a full-scale chirp, kaldi-native-fbank is 0.8e-3 and the graph 1.1e-3 away from float64 sums.
DYNAMIC_RANGE = np.log(10**7.5)


def make_model(options: FbankOptions, opset: int = 13) -> onnx.ModelProto:
    def add(nodes: Nodes, waveforms: str, lens: str) -> tuple[str, str]:
        return add_fbank(nodes, options, waveforms, lens)

    return make_front(add, options.num_mel_bins, opset)


@pytest.fixture(scope="module")
def fbank() -> Session:
    return Session(make_model(ICEFALL))


def noise(num_samples: int, seed: int = 0) -> Waveform:
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


def chirp(num_samples: int) -> Waveform:
    seconds = np.arange(num_samples) / 16000
    return np.sin(2 * np.pi * (100 + 1000 * seconds) * seconds).astype(np.float32)


def assert_equals_kaldi(
    fbank: Session, waveforms: list[Waveform], options: FbankOptions = ICEFALL
) -> None:
    found = fbank.run(batch_of(waveforms))
    for row, waveform in enumerate(waveforms):
        expected = kaldi_features(waveform, options)
        assert found["num_frames"][row] == len(expected)
        peaks = expected.max(axis=1, keepdims=True, initial=np.log(FLOOR))
        is_above_floor = expected > peaks - DYNAMIC_RANGE
        differences = np.abs(found["features"][row, : len(expected)] - expected)
        assert differences[is_above_floor].max(initial=0) <= TOLERANCE


@pytest.mark.parametrize(
    "num_samples",
    [1, 2, 79, 80, 81, 119, 120, 121, 199, 200, 201, 239, 240, 399, 400, 401, 960_000],
)
def test_features_equal_kaldi_at_the_edges_of_lengths(fbank: Session, num_samples: int) -> None:
    assert_equals_kaldi(fbank, [noise(num_samples)])


@settings(max_examples=30, deadline=None)
@given(lens=st.lists(st.integers(1, 48_000), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_features_of_unequal_batches_equal_kaldi(
    fbank: Session, lens: list[int], seed: int
) -> None:
    assert_equals_kaldi(fbank, [noise(n, seed + i) for i, n in enumerate(lens)])


@pytest.mark.parametrize(
    "waveform",
    [
        pytest.param(np.zeros(16_000, np.float32), id="silence"),
        pytest.param(np.full(16_000, 0.5, np.float32), id="dc"),
        pytest.param(np.round(noise(16_000) * 10) / 32768, id="one-bit-noise"),
        pytest.param(np.round(noise(16_000) * 10) / 32768 + np.float32(0.3), id="noise-on-dc"),
        pytest.param(np.sign(noise(16_000)), id="full-scale-noise"),
        pytest.param(np.sin(np.arange(16_000) / 5).astype(np.float32), id="full-scale-tone"),
        pytest.param(chirp(48_000), id="full-scale-chirp"),
        pytest.param(np.eye(1, 16_000, 8_000, dtype=np.float32)[0], id="impulse"),
    ],
)
def test_features_of_synthetic_sounds_equal_kaldi(fbank: Session, waveform: Waveform) -> None:
    assert_equals_kaldi(fbank, [waveform])


def test_features_of_speech_equal_kaldi(fbank: Session) -> None:
    assert_equals_kaldi(fbank, load_waveforms(None, ICEFALL.sample_rate))


def test_features_of_real_speech_equal_kaldi(fbank: Session) -> None:
    folder = os.environ.get("AURICLE_REAL_SPEECH")
    if folder is None:
        pytest.skip("AURICLE_REAL_SPEECH names no folder of recordings")
    paths = [path for path in sorted(Path(folder).iterdir()) if path.suffix in {".wav", ".flac"}]
    assert paths
    for path in paths:
        assert_equals_kaldi(fbank, [audio.load(path, ICEFALL.sample_rate)])


@pytest.mark.parametrize(
    "changed",
    [
        {"window": "hamming"},
        {"num_mel_bins": 40},
        {"high_freq": 0.0},
        {"low_freq": 64.0, "high_freq": 7000.0},
        {"preemphasis": 0.0},
        {"scale": 32768.0},
        {"snip_edges": True},
        {"snip_edges": True, "scale": 32768.0, "high_freq": 0.0},
        {"snip_edges": True, "scale": 32768.0, "high_freq": 0.0, "window": "hamming"},
        {"sample_rate": 8000},
    ],
    ids=",".join,
)
def test_every_option_means_what_it_means_to_kaldi(changed: dict[str, float | str]) -> None:
    options = dataclasses.replace(ICEFALL, **changed)  # type: ignore[arg-type]  # checked by kaldi
    assert_equals_kaldi(Session(make_model(options)), [noise(9_999), noise(3_000)], options)


@settings(max_examples=30, deadline=None)
@given(
    lens=st.lists(st.integers(0, 20_000), min_size=1, max_size=4),
    extra=st.integers(0, 2_000),
    filler=st.sampled_from([0.0, 1.0, np.nan, np.inf]),
)
def test_padding_changes_nothing(
    fbank: Session, lens: list[int], extra: int, filler: float
) -> None:
    rows = [noise(n, seed) for seed, n in enumerate(lens)]
    width = max(lens) + extra
    padded = [np.pad(row, (0, width - len(row)), constant_values=filler) for row in rows]
    batch = fbank.run({"WAV": np.stack(padded), "WAV_LENS": np.array(lens, np.int32)})
    for index, row in enumerate(rows):
        single = fbank.run(batch_of([row]))
        num_frames = single["num_frames"][0]
        assert batch["num_frames"][index] == num_frames
        np.testing.assert_array_equal(
            batch["features"][index, :num_frames], single["features"][0, :num_frames]
        )


def test_frames_beyond_each_row_hold_the_pad_value(fbank: Session) -> None:
    found = fbank.run(batch_of([noise(16_000), noise(4_000), noise(0)]))
    assert found["features"].shape == (3, 100 + ICEFALL.tail_frames, 80)
    for row, num_frames in enumerate([100, 25, 0]):
        assert (found["features"][row, num_frames:] == np.float32(LOG_PAD)).all()


@pytest.mark.parametrize("num_samples", [0, 1, 79])
def test_less_than_half_a_shift_gives_no_frame(fbank: Session, num_samples: int) -> None:
    found = fbank.run(batch_of([noise(num_samples)]))
    assert found["num_frames"] == [0]
    assert found["features"].shape[1] == 1 + ICEFALL.tail_frames


@pytest.mark.parametrize("opset", range(13, 19))
def test_every_opset_gives_the_same_features(fbank: Session, opset: int) -> None:
    batch = batch_of([noise(5_000), noise(300)])
    found = Session(make_model(ICEFALL, opset)).run(batch)
    np.testing.assert_array_equal(found["features"], fbank.run(batch)["features"])
