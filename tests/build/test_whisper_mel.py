"""Whisper's features in the graph against transformers' extractor; padding changes nothing."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle import audio
from auricle.build.export.reference import load_waveforms
from auricle.build.export.served import batch_of
from auricle.build.export.session import Session
from auricle.build.export.whisper.reference import whisper_features
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.slaney import slaney_banks
from auricle.build.frontend.whisper_mel import WhisperMel, add_whisper_mel
from tests.build.front import make_front

transformers = pytest.importorskip("transformers", reason="pip install 'auricle[dev]'")

pytestmark = pytest.mark.onnx

Waveform = npt.NDArray[np.float32]
WINDOW = 480_000  # samples, 30 s
# The largest that was seen, 5.6e-5 in speech and 1.4e-4 in a chirp, is where 128 narrow filters
# leave a quiet bin 80 dB below the window's peak, to which float32 sums are exact to 1e-7.
TOLERANCE = 2e-4


def make_model(num_mel_bins: int, num_frames: int = 3000, opset: int = 13) -> onnx.ModelProto:
    def add(nodes: Nodes, waveforms: str, lens: str) -> tuple[str, str]:
        mel = WhisperMel(num_mel_bins, num_frames)
        return add_whisper_mel(nodes, mel, waveforms, lens), nodes.add("Identity", lens)

    return make_front(add, num_frames, opset)


@pytest.fixture(scope="module", params=[80, 128])
def num_mel_bins(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def session(num_mel_bins: int) -> Session:
    return Session(make_model(num_mel_bins))


def noise(num_samples: int) -> Waveform:
    return np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)


def chirp(num_samples: int) -> Waveform:
    seconds = np.arange(num_samples) / 16000
    return np.sin(2 * np.pi * (100 + 100 * seconds) * seconds).astype(np.float32)


def features(session: Session, *rows: Waveform) -> npt.NDArray[np.float32]:
    found = session.run(batch_of(list(rows)))["features"]
    return np.asarray(found, np.float32)


def by_transformers(waveform: Waveform, num_mel_bins: int) -> npt.NDArray[np.float32]:
    """Its numpy path, which has an FFT in float64."""
    extractor = transformers.WhisperFeatureExtractor(num_mel_bins)
    window = np.zeros(WINDOW, np.float32)
    window[: len(waveform)] = waveform[:WINDOW]
    return np.asarray(extractor._np_extract_fbank_features(window[None], "cpu")[0], np.float32)


def assert_equals_transformers(session: Session, waveform: Waveform, num_mel_bins: int) -> None:
    (found,) = features(session, waveform)
    expected = by_transformers(waveform, num_mel_bins)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    "num_samples",
    [
        1,
        2,
        159,
        160,
        161,
        199,
        200,
        201,
        399,
        400,
        401,
        479_759,
        479_961,
        479_999,
        480_000,
        500_000,
    ],
)
def test_noise_of_any_length_is_as_transformers_hears_it(
    num_samples: int, session: Session, num_mel_bins: int
) -> None:
    assert_equals_transformers(session, noise(num_samples), num_mel_bins)


def test_speech_is_as_transformers_hears_it(
    session: Session, num_mel_bins: int, test_wavs: Path
) -> None:
    for path in sorted(test_wavs.glob("*.wav"))[:4]:
        assert_equals_transformers(session, audio.load(path, 16000), num_mel_bins)
    (speech,) = load_waveforms(None, 16000)
    assert_equals_transformers(session, np.tile(speech, 5)[:WINDOW], num_mel_bins)


@pytest.mark.parametrize("waveform", [np.zeros(5_000, np.float32), chirp(WINDOW), noise(99) * 1e-5])
def test_silence_and_what_is_steep_are_as_transformers_hears_them(
    waveform: Waveform, session: Session, num_mel_bins: int
) -> None:
    assert_equals_transformers(session, waveform, num_mel_bins)


def test_the_reference_of_a_build_is_transformers(num_mel_bins: int) -> None:
    """Both have an FFT in float64."""
    mel = WhisperMel(num_mel_bins, 3000)
    for waveform in (noise(7_777), chirp(WINDOW)):
        expected = by_transformers(waveform, num_mel_bins)
        np.testing.assert_allclose(whisper_features(waveform, mel), expected, rtol=0, atol=1e-6)


def test_the_banks_are_slaneys(num_mel_bins: int) -> None:
    expected = transformers.WhisperFeatureExtractor(num_mel_bins).mel_filters
    np.testing.assert_allclose(slaney_banks(num_mel_bins, 400), expected, rtol=0, atol=1e-15)


@settings(max_examples=20, deadline=None)
@given(lens=st.lists(st.integers(1, 90_000), min_size=2, max_size=4))
def test_a_batch_equals_its_singles(lens: list[int]) -> None:
    session = Session(make_model(80, num_frames=500))
    rows = [noise(length) for length in lens]
    batch = features(session, *rows)
    for row, found in zip(rows, batch, strict=True):
        np.testing.assert_array_equal(found, features(session, row)[0])


def test_samples_beyond_the_length_change_nothing(session: Session) -> None:
    row = noise(9_000)
    filled = np.concatenate([row, np.full(500_000, np.nan, np.float32)])
    found = session.run({"WAV": filled[None], "WAV_LENS": np.array([9_000], np.int32)})
    np.testing.assert_array_equal(found["features"], features(session, row))


def test_opset_18_gives_the_same() -> None:
    row = noise(33_333)
    old, new = (Session(make_model(80, num_frames=500, opset=opset)) for opset in (13, 18))
    np.testing.assert_array_equal(features(old, row), features(new, row))
