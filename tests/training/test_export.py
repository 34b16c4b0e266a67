from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")
onnx = pytest.importorskip("onnx", reason="exports need onnx: pip install 'auricle[train]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="exports are run with onnxruntime")

from training.encoder import subsampled_length  # noqa: E402
from training.export import (  # noqa: E402
    CtcModel,
    TransducerDecoder,
    TransducerEncoder,
    export_ctc,
    export_transducer,
)
from training.model import ModelConfig, Progress, Recognizer, load, save  # noqa: E402

pytestmark = pytest.mark.onnx
ATOL = 2e-5  # float32 sums in another order, values of about 1
Array: TypeAlias = NDArray[np.float32]
Ids: TypeAlias = NDArray[np.int64]
X_LENS = np.array([150, 90])
NUM_FRAMES = 160  # more than the longest: callers pad to buckets


@pytest.fixture(scope="module")
def model() -> Recognizer:
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=30, dim=32, num_layers=2, joiner_dim=24)
    return Recognizer(config).eval()


@pytest.fixture(scope="module")
def folder(model: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    export_transducer(model, Progress(epoch=3), folder)
    export_ctc(model, folder)
    return folder


@pytest.fixture
def features() -> Array:
    return np.random.default_rng(0).standard_normal((2, NUM_FRAMES, 80)).astype(np.float32)


def run(path: Path, **feed: Array | Ids) -> list[Array]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(None, feed))


def metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def test_encoder_agrees_with_torch(model: Recognizer, folder: Path, features: Array) -> None:
    actual, lens = run(folder / "encoder-epoch-3-avg-1.onnx", x=features, x_lens=X_LENS)
    wrapped = TransducerEncoder(model)
    expected, _ = wrapped(torch.from_numpy(features), torch.from_numpy(X_LENS))
    assert lens.tolist() == [subsampled_length(int(length)) for length in X_LENS]
    assert actual.shape == (2, subsampled_length(NUM_FRAMES), 24)
    np.testing.assert_allclose(actual, expected.numpy(), rtol=0, atol=ATOL)


def test_ctc_agrees_with_torch(model: Recognizer, folder: Path, features: Array) -> None:
    actual, _ = run(folder / "model.onnx", x=features, x_lens=X_LENS)
    expected, _ = CtcModel(model)(torch.from_numpy(features), torch.from_numpy(X_LENS))
    np.testing.assert_allclose(actual, expected.numpy(), rtol=0, atol=ATOL)


@pytest.mark.parametrize("history", [[-1, 0], [0, 0], [5, 29]])
def test_decoder_agrees_with_torch(model: Recognizer, folder: Path, history: list[int]) -> None:
    y = np.array([history] * 3)
    (actual,) = run(folder / "decoder-epoch-3-avg-1.onnx", y=y)
    assert actual.shape == (3, 24)
    expected = TransducerDecoder(model)(torch.from_numpy(y))
    np.testing.assert_allclose(actual, expected.numpy(), rtol=0, atol=ATOL)


def test_before_the_utterance_is_not_blank(folder: Path) -> None:
    before, blank = (
        run(folder / "decoder-epoch-3-avg-1.onnx", y=np.array([history]))[0]
        for history in ([-1, 0], [0, 0])
    )
    assert not np.allclose(before, blank)


def test_joiner_agrees_with_torch(model: Recognizer, folder: Path) -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 5, 24)).astype(np.float32)
    (actual,) = run(folder / "joiner-epoch-3-avg-1.onnx", encoder_out=a, decoder_out=b)
    expected = model.joiner(torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_allclose(actual, expected.numpy(), rtol=0, atol=ATOL)


def test_metadata_is_icefalls(folder: Path) -> None:
    encoder = metadata(folder / "encoder-epoch-3-avg-1.onnx")
    assert encoder["model_type"] == "conformer"
    assert encoder["version"] == "1"
    decoder = metadata(folder / "decoder-epoch-3-avg-1.onnx")
    assert decoder == {"context_size": "2", "vocab_size": "30"}
    assert metadata(folder / "joiner-epoch-3-avg-1.onnx") == {"joiner_dim": "24"}
    assert metadata(folder / "model.onnx")["model_type"] == "zipformer2_ctc"


def test_opset_and_ir_version_are_old_enough(folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        proto = onnx.load(str(path))
        assert [entry.version for entry in proto.opset_import] == [13]
        assert proto.ir_version <= 10


def test_a_checkpoint_survives_its_file(model: Recognizer, tmp_path: Path) -> None:
    save(tmp_path / "checkpoint.pt", model, Progress(3, 14, 15.5))
    loaded, progress = load(tmp_path / "checkpoint.pt")
    assert progress == Progress(3, 14, 15.5)
    assert loaded.config == model.config
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
