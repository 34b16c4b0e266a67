"""The demo's CTC model as it is built, and the shipped speech."""

from functools import partial
from pathlib import Path

import onnx
import pytest

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options
from auricle.build.repository import populate
from auricle.gate import speech
from auricle.gate.decoding import Model

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "client" / "test_wavs"
CTC = ROOT / "assets" / "icefall-ctc"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("gate")
    built = families.load("icefall_ctc").build(Checkpoint(CTC, str(CTC)), Options())
    deployment = populate.Deployment()
    populate.populate(built, "fp32", folder, deployment)
    return Model("fp32", folder / "fp32" / "1", populate.choose(built, deployment))


@pytest.fixture
def small_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands take a set of a hundred words."""
    monkeypatch.setattr(speech, "read_speech", partial(speech.read_speech, min_units=100))


def ruin(path: Path) -> None:
    """Weights of every fifth quantised MatMul at half their size."""
    model = onnx.load(path)
    scales = [each for each in model.graph.initializer if each.name.endswith("_scale")]
    assert scales
    for scale in scales[::5]:
        values = onnx.numpy_helper.to_array(scale) / 2
        scale.CopyFrom(onnx.numpy_helper.from_array(values, scale.name))
    onnx.save(model, path)
