"""The parity check lets a faithful graph pass and stops one that is not."""

import wave
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from auricle.build.export.adapt import Recipe, adapt_encoder
from auricle.build.export.graph import Graph, load_graph
from auricle.build.export.heads import CtcHead, Head, PlainHead
from auricle.build.export.parity import Encoders, check_parity
from auricle.build.export.reference import load_waveforms
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.kaldi_fbank import FbankOptions
from auricle.errors import CheckpointError, ParityError
from tests.build import tiny

pytestmark = pytest.mark.onnx

FBANK = FbankOptions()
PLAIN = Recipe(Frontend(FBANK), PlainHead())
SPEECH = load_waveforms(None, FBANK.sample_rate)


def save(model: onnx.ModelProto, folder: Path) -> Graph:
    onnx.save(model, folder / "encoder.onnx")
    return load_graph(folder / "encoder.onnx")


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (tiny.Encoder(), PlainHead()),
        (tiny.Encoder(mask_by_lens=True, padding_branch=True), PlainHead()),
        (tiny.Encoder(is_ctc=True, mask_by_lens=True), CtcHead(20, 0)),
    ],
    ids=str,
)
def test_a_faithful_graph_passes(kind: tiny.Encoder, head: Head, tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(kind), tmp_path)
    recipe = Recipe(Frontend(FBANK), head)
    parity = check_parity(Encoders(graph, adapt_encoder(graph, recipe), recipe), SPEECH)
    assert parity.features < 1e-4
    assert (parity.repairs, parity.batch) == (0, 0)


def test_other_features_are_found_out(tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(tiny.Encoder()), tmp_path)
    wrong = adapt_encoder(graph, Recipe(Frontend(FbankOptions(high_freq=0)), PlainHead()))
    with pytest.raises(ParityError, match="nothing was written"):
        check_parity(Encoders(graph, wrong, PLAIN), SPEECH)


@pytest.mark.parametrize("weight", [np.nan, 2.0])
def test_other_weights_are_found_out(weight: float, tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(tiny.Encoder()), tmp_path)
    wrong = adapt_encoder(graph, PLAIN)
    tensor = next(
        t for t in wrong.graph.initializer
        if t.name.startswith("core/") and t.data_type == TensorProto.FLOAT and len(t.dims) == 2
    )  # fmt: skip
    values = numpy_helper.to_array(tensor) * np.float32(weight)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(ParityError):
        check_parity(Encoders(graph, wrong, PLAIN), SPEECH)


def test_too_little_padding_is_found_out(tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(tiny.Encoder()), tmp_path)
    short = Recipe(
        Frontend(FbankOptions(tail_frames=0)), PlainHead()
    )  # the last frames see where the batch ends
    with pytest.raises(ParityError, match=r"batching .* largest difference"):
        check_parity(Encoders(graph, adapt_encoder(graph, short), short), SPEECH)


def write_wav(path: Path, num_samples: int, channels: int = 1, rate: int = 16000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * channels * num_samples))
    return path


def test_a_wav_and_a_folder_of_wavs_can_be_named(tmp_path: Path) -> None:
    for number in range(5):
        write_wav(tmp_path / f"{number}.wav", 16000 + number)
    assert [len(w) for w in load_waveforms(tmp_path / "3.wav", 16000)] == [16003]
    assert [len(w) for w in load_waveforms(tmp_path, 16000)] == [16000, 16001, 16002]


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"num_samples": 16000, "channels": 2}, "2 channels"),
        ({"num_samples": 16000, "rate": 8000}, "8000 Hz"),
        ({"num_samples": 15999}, "too short"),
    ],
)
def test_audio_that_does_not_fit_is_refused(
    form: dict[str, int], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        load_waveforms(write_wav(tmp_path / "a.wav", **form), 16000)


def test_what_is_no_wav_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"ID3")
    with pytest.raises(CheckpointError, match="cannot read"):
        load_waveforms(tmp_path, 16000)


def test_a_folder_without_a_wav_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no \.wav in"):
        load_waveforms(tmp_path, 16000)
