"""The recipe's own NeMo features and export, against the builder's."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="pip install 'auricle[train]'")
pytest.importorskip("kaldi_native_fbank")
pytest.importorskip("sentencepiece")

import torch

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.export.nemo.features import nemo_features
from auricle.build.families import Options
from auricle.build.frontend.nemo_mel import NemoMel
from training.features import nemo_log_mel
from training.model import ModelConfig, Recognizer
from training.nemo.export import export
from training.nemo.model import NemoEncoder
from training.tokens import train_bpe

pytestmark = pytest.mark.onnx


def noise(num_samples: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)


def test_training_and_building_have_the_same_features() -> None:
    waveform = noise(40_000)
    expected = nemo_features(waveform, NemoMel(normalizes=False))
    np.testing.assert_allclose(nemo_log_mel(waveform), expected, rtol=0, atol=1e-4)


def test_an_utterance_normalises_itself_as_nemo_does() -> None:
    waveform = noise(40_000)
    raw = torch.from_numpy(nemo_log_mel(waveform))
    found = NemoEncoder(ModelConfig(vocab_size=160).encoder).normalize(raw).numpy()
    np.testing.assert_allclose(found, nemo_features(waveform, NemoMel()), rtol=0, atol=1e-3)


def test_what_is_exported_is_built(tmp_path: Path) -> None:
    train_bpe(tmp_path / "bpe")
    torch.manual_seed(0)
    model = Recognizer(ModelConfig(vocab_size=160, dim=32, num_layers=1)).eval()
    export(model, tmp_path / "bpe" / "bpe.model", tmp_path / "nemo")
    built = families.load("nemo-ctc").build(Checkpoint(tmp_path / "nemo", "x"), Options())
    assert built.spec.blank_id == 159
    graph = onnx.load(tmp_path / "nemo" / "model.onnx").graph
    stored = {tensor.name for tensor in graph.initializer if tensor.name.endswith(".stored")}
    assert stored
