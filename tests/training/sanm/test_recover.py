"""A published model gives its weights back, all of them and in their places."""

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
from training.sanm.models import CONFIGS, Checkpoint, objective  # noqa: E402

pytestmark = pytest.mark.onnx
FOLDER = Path(__file__).parents[3] / "assets" / "sense-voice"
AUTO, WITHOUT_ITN = 0, 15


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return recover.recover("sense-voice", FOLDER, FOLDER / published.BPE_NAME)


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


def test_paraformer_gives_its_weights_back() -> None:
    bpe = FOLDER / published.BPE_NAME
    folder = FOLDER.with_name("paraformer")
    checkpoint = recover.recover("paraformer", folder, bpe)
    model = objective("paraformer", bpe).model
    model.load_state_dict(checkpoint.weights)
    parts = {name: value for name, value in CONFIGS["paraformer"].items() if name != "model"}
    rebuilt = model.eval().export(type="onnx", **parts)
    session = published.open_session(folder / "model.onnx")
    features, _ = published.read_set(published.SHIPPED, STYLES["funasr"])[0]
    speech = checkpoint.cmvn(low_frame_rate(features))[None]
    lens = np.array([speech.shape[1]], np.int32)
    with torch.inference_mode():
        logits = rebuilt(torch.from_numpy(speech), torch.from_numpy(lens))[0].numpy()
    expected = session.run(None, {"speech": speech, "speech_lengths": lens})[0]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)


def test_a_parameter_that_the_graph_lacks_is_named() -> None:
    graph = recover.onnx.load(str(FOLDER / "model.onnx")).graph
    with pytest.raises(KeyError, match=r"encoder\.encoders\.9"):
        recover.weights(graph, ["encoder.encoders.9.norm1.weight"])
