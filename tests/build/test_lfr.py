"""FunASR's stacked frames in the graph, against the loop that defines them, in float64."""

import numpy as np
import numpy.typing as npt
import pytest

from auricle.build.export.reference import kaldi_features, reference_features
from auricle.build.export.served import batch_of
from auricle.build.export.session import Session
from auricle.build.frontend.features import Frontend, add_features
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.build.frontend.lfr import Cmvn, Lfr
from auricle.build.frontend.nodes import Nodes
from tests.build.front import make_front

pytestmark = pytest.mark.onnx

Matrix = npt.NDArray[np.float64]
Waveform = npt.NDArray[np.float32]
TOLERANCE = 1e-3  # that of the filterbank below; stacking adds nothing
RNG = np.random.default_rng(7)
CMVN = Cmvn(RNG.normal(-8, 2, 560), RNG.uniform(0.1, 0.3, 560))
FBANK = FbankOptions(window="hamming", high_freq=0, scale=32768, snip_edges=True)
FUNASR = Frontend(FBANK, Lfr(7, 6, CMVN))


def noise(num_samples: int) -> Waveform:
    return np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)


def stack_one_by_one(features: Matrix, window: int = 7, shift: int = 6) -> Matrix:
    """Three copies of the first frame before it, and the last frame again where frames end."""
    frames = [features[0]] * 3 + list(features)
    rows = []
    for start in range(0, len(features), shift):
        chosen = frames[start : start + window]
        chosen += [frames[-1]] * (window - len(chosen))
        rows.append(np.concatenate(chosen))
    return (np.array(rows) + CMVN.shift) * CMVN.scale


@pytest.fixture(scope="module")
def graph() -> Session:
    def add(nodes: Nodes, waveforms: str, lens: str) -> tuple[str, str]:
        return add_features(nodes, FUNASR, waveforms, lens)

    return Session(make_front(add, 560))


@pytest.mark.parametrize("num_frames", range(1, 20))
def test_every_remainder_is_stacked_as_the_loop_does(num_frames: int, graph: Session) -> None:
    waveform = noise(400 + 160 * (num_frames - 1) + 57)
    expected = stack_one_by_one(kaldi_features(waveform, FBANK).astype(np.float64))
    found = graph.run(batch_of([waveform]))
    assert found["num_frames"].tolist() == [len(expected)]
    np.testing.assert_allclose(found["features"][0], expected, atol=TOLERANCE)


def test_the_reference_of_parity_is_the_loop() -> None:
    waveform = noise(23_456)
    expected = stack_one_by_one(kaldi_features(waveform, FBANK).astype(np.float64))
    np.testing.assert_allclose(reference_features(waveform, FUNASR), expected, rtol=1e-6)


def test_a_batch_equals_its_singles_bit_for_bit(graph: Session) -> None:
    rows = [noise(n) for n in (16_000, 400, 7_777, 30_001, 399, 1)]
    batch = graph.run(batch_of(rows))
    for index, row in enumerate(rows):
        single = graph.run(batch_of([row]))
        num_frames = single["num_frames"][0]
        assert batch["num_frames"][index] == num_frames
        np.testing.assert_array_equal(
            batch["features"][index, :num_frames], single["features"][0, :num_frames]
        )


def test_what_lies_behind_a_row_is_zero(graph: Session) -> None:
    found = graph.run(batch_of([noise(16_000), noise(3_000)]))
    assert not found["features"][1, found["num_frames"][1] :].any()


@pytest.mark.parametrize("num_samples", [0, 1, 399])
def test_audio_shorter_than_a_frame_has_none(num_samples: int, graph: Session) -> None:
    assert graph.run(batch_of([noise(num_samples)]))["num_frames"].tolist() == [0]


@pytest.mark.parametrize("num_samples", [400, 559, 560, 16_000])
def test_frames_lie_inside_the_audio(num_samples: int) -> None:
    assert len(kaldi_features(noise(num_samples), FBANK)) == 1 + (num_samples - 400) // 160
