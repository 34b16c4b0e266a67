"""The other kinds of Paraformer, as FunASR's exporter wrote them: names, types and free axes."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

onnxruntime = pytest.importorskip("onnxruntime", reason="exports are run with onnxruntime")

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

pytestmark = pytest.mark.onnx
FOLDER = Path(__file__).parents[2] / "data" / "paraformer"
SPEECH = [("speech", "tensor(float)"), ("speech_lengths", "tensor(int32)")]
HOTWORDS = [("bias_embed", "tensor(float)")]
LOGITS = [("logits", "tensor(float)"), ("token_num", "tensor(int32)")]
PEAKS = [("us_alphas", "tensor(float)"), ("us_cif_peak", "tensor(float)")]
DIM = 32
Arrays: TypeAlias = list[NDArray[np.float32]]


def session(path: Path) -> "InferenceSession":
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bicif", SPEECH + LOGITS + PEAKS),
        ("contextual", SPEECH + HOTWORDS + LOGITS),
        ("seaco", SPEECH + HOTWORDS + LOGITS + PEAKS),
    ],
)
def test_names_and_types_are_funasrs(kind: str, expected: list[tuple[str, str]]) -> None:
    opened = session(FOLDER / kind / "model.onnx")
    values = [*opened.get_inputs(), *opened.get_outputs()]
    assert [(value.name, value.type) for value in values] == expected


@pytest.mark.parametrize("kind", ["contextual", "seaco"])
def test_the_embedder_reads_ten_tokens_a_hotword(kind: str) -> None:
    hotwords = np.array([[5, 6, 7, 0, 0, 0, 0, 0, 0, 0], [1, *[0] * 9]], np.int32)
    (embedded,) = session(FOLDER / kind / "model_eb.onnx").run(None, {"hotword": hotwords})
    assert embedded.shape == (10, 2, DIM)


@pytest.mark.parametrize(("batch", "num_hotwords"), [(1, 1), (1, 7), (3, 60)])
@pytest.mark.parametrize("kind", ["bicif", "contextual", "seaco"])
def test_batch_length_and_hotwords_are_free(kind: str, batch: int, num_hotwords: int) -> None:
    rng = np.random.default_rng(0)
    num_frames = 40
    feed = {
        "speech": rng.standard_normal((batch, num_frames, 560)).astype(np.float32),
        "speech_lengths": np.arange(num_frames, num_frames - batch, -1, dtype=np.int32),
    }
    if kind != "bicif":
        embedded = rng.standard_normal((batch, num_hotwords, DIM))
        feed["bias_embed"] = embedded.astype(np.float32)
    outputs: Arrays = session(FOLDER / kind / "model.onnx").run(None, feed)
    assert outputs[0].shape[0] == batch
    assert outputs[1].shape == (batch,)
    for peaks in outputs[2:]:
        assert peaks.shape == (batch, 3 * num_frames)
