"""The published SenseVoice gives its weights back, all of them and in their places."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")
pytest.importorskip("funasr", reason="has a virtual environment of its own: training/README.md")
pytest.importorskip("onnxruntime", reason="exports are run with onnxruntime")
pytest.importorskip("kaldi_native_fbank")

from training import published  # noqa: E402
from training.features import STYLES, low_frame_rate  # noqa: E402
from training.sanm import recover  # noqa: E402
from training.sanm.models import Checkpoint, objective  # noqa: E402

pytestmark = pytest.mark.onnx
FOLDER = Path(__file__).parents[3] / "assets" / "sense-voice"
AUTO, WITHOUT_ITN = 0, 15


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return recover.sense_voice(FOLDER)


@pytest.mark.parametrize("wavs", [published.SHIPPED, published.SHIPPED_MANDARIN])
def test_the_model_computes_what_the_graph_does(checkpoint: Checkpoint, wavs: Path) -> None:
    model = objective("sense-voice", FOLDER / published.BPE_NAME).model
    model.load_state_dict(checkpoint.weights)
    rebuilt = model.eval().export(type="onnx")
    session = published.open_session(FOLDER / "model.onnx")
    for features, _ in published.read_set(wavs, STYLES["funasr"])[:3]:
        speech = checkpoint.cmvn(low_frame_rate(features))
        feed = {"speech": speech[None]}
        for name, number in (
            ("speech_lengths", len(speech)),
            ("language", AUTO),
            ("textnorm", WITHOUT_ITN),
        ):
            feed[name] = np.array([number], np.int32)
        with torch.inference_mode():
            logits = rebuilt(*map(torch.from_numpy, feed.values()))[0].numpy()
        np.testing.assert_allclose(logits, session.run(None, feed)[0], rtol=0, atol=1e-4)


def test_a_parameter_that_the_graph_lacks_is_named() -> None:
    graph = recover.onnx.load(str(FOLDER / "model.onnx")).graph
    with pytest.raises(KeyError, match=r"encoder\.encoders\.9"):
        recover.weights(graph, ["encoder.encoders.9.norm1.weight"])
