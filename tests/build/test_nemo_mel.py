"""NeMo's features in the graph: against its formula in float64, onnx-asr's, and the laws of all."""

import dataclasses
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from librosa.filters import mel
from onnx_asr.preprocessors.numpy_preprocessor import NemoPreprocessorNumpy

from auricle import audio
from auricle.build.export.nemo.features import nemo_features
from auricle.build.export.served import batch_of
from auricle.build.export.session import Array, Session
from auricle.build.frontend.nemo_mel import (
    Edges,
    NemoMel,
    add_nemo_mel,
    add_window_nemo_mel,
)
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.slaney import slaney_banks
from tests.build.front import make_front

pytestmark = pytest.mark.onnx

Waveform = npt.NDArray[np.float32]
WAVS = Path(__file__).parents[2] / "client" / "test_wavs"
# Float32 sums of 400 products, at log energies down to the guard of 2^-24, -16.6; measured on
# 70 utterances: 8.9e-5 (80 bins) and 1.5e-4 (128) normalised.
TOLERANCE = 3e-4


def make_session(options: NemoMel) -> Session:
    def add(nodes: Nodes, waveforms: str, lens: str) -> tuple[str, str]:
        return add_nemo_mel(nodes, options, waveforms, lens)

    return Session(make_front(add, options.num_mel_bins))


@pytest.fixture(scope="module", params=["zeros", "reflect"])
def edges(request: pytest.FixtureRequest) -> Edges:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def graph(edges: Edges) -> Session:
    return make_session(NemoMel(edges=edges))


@pytest.fixture(scope="module")
def speech() -> list[Waveform]:
    return [audio.load(path, 16000) for path in sorted(WAVS.glob("*.wav"))[:8]]


def noise(num_samples: int) -> Waveform:
    return np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)


def run(graph: Session, *rows: Waveform) -> list[Array]:
    """The valid features of each row."""
    found = graph.run(batch_of(rows))
    return [
        features[:n] for features, n in zip(found["features"], found["num_frames"], strict=True)
    ]


@pytest.mark.parametrize("num_mel_bins", [64, 80, 128])
def test_the_filters_are_librosa_s(num_mel_bins: int) -> None:
    expected = mel(
        sr=16000, n_fft=512, n_mels=num_mel_bins, htk=False, norm="slaney", dtype=np.float64
    )
    np.testing.assert_allclose(slaney_banks(num_mel_bins, 512).T, expected, atol=1e-15)


@pytest.mark.parametrize("normalizes", [True, False])
@pytest.mark.parametrize("num_mel_bins", [80, 128])
def test_speech_has_the_features_of_the_formula(
    num_mel_bins: int, normalizes: bool, edges: Edges, speech: list[Waveform]
) -> None:
    options = NemoMel(num_mel_bins, edges, normalizes)
    for waveform, found in zip(speech, run(make_session(options), *speech), strict=True):
        np.testing.assert_allclose(found, nemo_features(waveform, options), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("num_mel_bins", [80, 128])
def test_speech_has_the_features_of_onnx_asr(num_mel_bins: int, speech: list[Waveform]) -> None:
    peer = NemoPreprocessorNumpy(f"nemo{num_mel_bins}")
    graph = make_session(NemoMel(num_mel_bins))
    for waveform, found in zip(speech, run(graph, *speech), strict=True):
        expected, lens = peer(waveform[None], np.array([len(waveform)]))
        assert len(found) == lens[0]
        np.testing.assert_allclose(found, expected[0].T[: lens[0]], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("num_samples", [1, 100, 159, 160, 161, 200, 201, 320, 399, 1000, 16_001])
def test_short_audio_has_the_features_of_the_formula(
    num_samples: int, edges: Edges, graph: Session
) -> None:
    waveform = noise(num_samples)
    (found,) = run(graph, waveform)
    expected = nemo_features(waveform, NemoMel(edges=edges))
    # Of two frames that are nearly alike, the deviation is a difference of rounded values.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 30_000), min_size=2, max_size=5))
def test_a_batch_equals_its_singles_bit_for_bit(graph: Session, lens: list[int]) -> None:
    rows = [noise(n) for n in lens]
    for row, found in zip(rows, run(graph, *rows), strict=True):
        np.testing.assert_array_equal(found, run(graph, row)[0])


def test_samples_beyond_the_length_change_nothing(graph: Session) -> None:
    row = noise(9_000)
    longer = np.concatenate([row, np.full(5_000, np.nan, np.float32)])
    found = graph.run({"WAV": longer[None], "WAV_LENS": np.array([9_000], np.int32)})
    (expected,) = run(graph, row)
    np.testing.assert_array_equal(found["features"][0, : len(expected)], expected)
    assert not found["features"][0, len(expected) :].any()


def test_silence_is_no_number_less(graph: Session) -> None:
    (found,) = run(graph, np.zeros(8_000, np.float32))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, 0, atol=1e-5)


def test_windows_of_a_stream_have_the_features_of_the_whole() -> None:
    options = NemoMel(normalizes=False)
    num_frames, hop = 16, 16 * 160

    def add(nodes: Nodes, window: str, _lens: str) -> tuple[str, str]:
        return add_window_nemo_mel(nodes, options, window, num_frames), nodes.add("Identity", _lens)

    graph = Session(make_front(add, 80))
    waveform = noise(10 * hop)
    stream = np.pad(waveform, (options.silence, 0))
    size = options.num_samples(num_frames)
    windows = [stream[start : start + size] for start in range(0, 9 * hop, hop)]
    found = np.concatenate([graph.run(batch_of([window]))["features"][0] for window in windows])
    expected = nemo_features(waveform, options)[: len(found)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_lengths_beyond_what_float16_counts_are_exact() -> None:
    graph = make_session(dataclasses.replace(NemoMel(), num_mel_bins=8))
    lens = [160 * 2049 - 1, 160 * 2049, 160 * 4097 + 159]
    longest = np.zeros((3, max(lens)), np.float32)
    found = graph.run({"WAV": longest, "WAV_LENS": np.array(lens, np.int32)})
    assert found["num_frames"].tolist() == [2048, 2049, 4097]


def test_the_graph_is_about_as_fast_as_numpy_s_fft() -> None:
    """1.3 times its time at most is the aim; here twice, on machines that do other things."""
    waveform = noise(30 * 16_000)
    graph, peer = make_session(NemoMel()), NemoPreprocessorNumpy("nemo80")
    times: dict[str, list[float]] = {"graph": [], "numpy": []}
    for _ in range(5):
        for name, extract in (
            ("graph", lambda: graph.run(batch_of([waveform]))),
            ("numpy", lambda: peer(waveform[None], np.array([len(waveform)]))),
        ):
            start = time.process_time()
            extract()
            times[name].append(time.process_time() - start)
    assert min(times["graph"]) < 2 * min(times["numpy"])
