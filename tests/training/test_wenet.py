"""WeNet's interface of the export, and its arithmetic against the decoders as they were trained."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")
onnx = pytest.importorskip("onnx", reason="exports need onnx: pip install 'auricle[train]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="exports are run with onnxruntime")

from training import sherpa, wenet  # noqa: E402
from training.encoder import subsampled_length  # noqa: E402
from training.features import Statistics  # noqa: E402
from training.heads import AttentionDecoder  # noqa: E402
from training.model import ModelConfig, Recognizer  # noqa: E402
from training.tokens import train_bpe  # noqa: E402

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

pytestmark = pytest.mark.onnx
Array: TypeAlias = NDArray[np.float32]
Ids: TypeAlias = NDArray[np.int64]
VOCAB_SIZE = 60
ASSETS = Path(__file__).parents[2] / "assets" / "wenet-u2"


@pytest.fixture(scope="module")
def model() -> Recognizer:
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=VOCAB_SIZE, dim=32, num_layers=2, joiner_dim=24)
    return Recognizer(config).eval()


@pytest.fixture(scope="module")
def statistics() -> Statistics:
    frames = np.random.default_rng(0).normal(12, 3, (500, 80))
    return Statistics.of(frames)


@pytest.fixture(scope="module")
def folder(
    model: Recognizer, statistics: Statistics, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    bpe, out = tmp_path_factory.mktemp("bpe"), tmp_path_factory.mktemp("wenet-u2")
    train_bpe(bpe, VOCAB_SIZE)
    wenet.export(model, statistics, bpe / "bpe.model", out)
    return out


def session(path: Path) -> "InferenceSession":
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def described(path: Path) -> list[tuple[str, str, list[str | int]]]:
    opened = session(path)
    values = [*opened.get_inputs(), *opened.get_outputs()]
    return [(value.name, value.type, value.shape) for value in values]


@pytest.mark.parametrize("published", ["made now", "shipped"])
def test_names_types_and_axes_are_wenets(folder: Path, published: str) -> None:
    folder, dim, size = (folder, 32, VOCAB_SIZE) if published == "made now" else (ASSETS, 144, 160)
    beam = wenet.BEAM
    assert described(folder / "encoder.onnx") == [
        ("speech", "tensor(float)", ["B", "T", 80]),
        ("speech_lengths", "tensor(int32)", ["B"]),
        ("encoder_out", "tensor(float)", ["B", "T_OUT", dim]),
        ("encoder_out_lens", "tensor(int32)", ["B"]),
        ("ctc_log_probs", "tensor(float)", ["B", "T_OUT", size]),
        ("beam_log_probs", "tensor(float)", ["B", "T_OUT", beam]),
        ("beam_log_probs_idx", "tensor(int64)", ["B", "T_OUT", beam]),
    ]
    assert described(folder / "decoder.onnx") == [
        ("encoder_out", "tensor(float)", ["B", "T", dim]),
        ("encoder_out_lens", "tensor(int32)", ["B"]),
        ("hyps_pad_sos_eos", "tensor(int64)", ["B", beam, "T2"]),
        ("hyps_lens_sos", "tensor(int32)", ["B", beam]),
        ("r_hyps_pad_sos_eos", "tensor(int64)", ["B", beam, "T2"]),
        ("ctc_score", "tensor(float)", ["B", beam]),
        ("best_index", "tensor(int64)", ["B"]),
    ]
    opsets = [onnx.load(str(path)).opset_import[0].version for path in folder.glob("*.onnx")]
    assert opsets == [13, 13]


def test_the_pair_is_small() -> None:
    sizes = [(ASSETS / name).stat().st_size for name in ("encoder.onnx", "decoder.onnx")]
    assert max(sizes) < 8e6
    assert sum(sizes) < 12e6


def test_units_are_numbered_as_wenet_numbers_them(folder: Path) -> None:
    lines = (folder / "units.txt").read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["<blank> 0", "<unk> 1", "<sos/eos> 2"]
    assert [int(line.split()[1]) for line in lines] == list(range(VOCAB_SIZE))


def test_the_encoder_normalises_by_global_cmvn(
    model: Recognizer, folder: Path, statistics: Statistics
) -> None:
    speech = np.random.default_rng(1).normal(12, 3, (2, 150, 80)).astype(np.float32)
    lens = np.array([150, 90], np.int32)
    feed = {"speech": speech, "speech_lengths": lens}
    _, out_lens, log_probs, top, top_ids = session(folder / "encoder.onnx").run(None, feed)
    stored = json.loads((folder / "global_cmvn").read_text(encoding="utf-8"))
    mean = np.array(stored["mean_stat"]) / stored["frame_num"]
    variance = np.array(stored["var_stat"]) / stored["frame_num"] - mean**2
    normalised = torch.from_numpy(((speech - mean) / np.sqrt(variance)).astype(np.float32))
    with torch.inference_mode():
        encoder_out, _ = model.encoder.forward_normalized(normalised, torch.from_numpy(lens).long())
        expected = model.ctc(encoder_out).log_softmax(dim=2).numpy()
    icefalls = np.r_[0, 2, 1, 3:VOCAB_SIZE]
    assert out_lens.tolist() == [subsampled_length(150), subsampled_length(90)]
    for row, length in enumerate(out_lens):
        np.testing.assert_allclose(
            log_probs[row, :length], expected[row, :length][:, icefalls], rtol=0, atol=1e-4
        )
    np.testing.assert_array_equal(np.take_along_axis(log_probs, top_ids, axis=2), top)


def score(decoder: AttentionDecoder, tokens: list[int], memory: Array) -> float:
    """Of WeNet's tokens with <eos>, by the decoder as icefall's ids and torch's layers have it."""
    icefalls = [{1: 2, 2: 1}.get(token, token) for token in tokens]
    y = torch.tensor([[1, *icefalls]])
    logits = decoder(y, torch.from_numpy(memory[None]), torch.tensor([len(memory)]))
    log_probs = logits.log_softmax(dim=2)[0].numpy()
    return float(sum(log_probs[step, token] for step, token in enumerate([*icefalls, 1])))


@pytest.mark.parametrize("padding", [2, -1])
def test_rescoring_is_wenets_formula(model: Recognizer, folder: Path, padding: int) -> None:
    rng = np.random.default_rng(2)
    memory = rng.standard_normal((2, 30, 32)).astype(np.float32)
    lens = np.array([30, 17], np.int32)
    tokens = [[rng.integers(3, VOCAB_SIZE, n).tolist() for n in range(10)] for _ in range(2)]
    ctc_score = rng.standard_normal((2, 10)).astype(np.float32)

    def rows(reverse: bool) -> Ids:
        padded = np.full((2, 10, 11), padding)
        for n, utterance in enumerate(tokens):
            for k, hypothesis in enumerate(utterance):
                ordered = hypothesis[::-1] if reverse else hypothesis
                padded[n, k, : len(hypothesis) + 2] = [2, *ordered, 2]
        return padded

    feed = {
        "encoder_out": memory,
        "encoder_out_lens": lens,
        "hyps_pad_sos_eos": rows(reverse=False),
        "hyps_lens_sos": np.array([[n + 1 for n in range(10)]] * 2, np.int32),
        "r_hyps_pad_sos_eos": rows(reverse=True),
        "ctc_score": ctc_score,
    }
    (best,) = session(folder / "decoder.onnx").run(None, feed)
    with torch.inference_mode():
        scores = [
            [
                0.7 * score(model.left_to_right, hypothesis, memory[n, : lens[n]])
                + 0.3 * score(model.right_to_left, hypothesis[::-1], memory[n, : lens[n]])
                + 0.5 * ctc_score[n, k]
                for k, hypothesis in enumerate(tokens[n])
            ]
            for n in range(2)
        ]
    assert best.tolist() == np.argmax(scores, axis=1).tolist()


def test_the_sibling_is_what_sherpa_onnx_reads(folder: Path, tmp_path: Path) -> None:
    sherpa.wenet(folder, tmp_path)
    speech = np.random.default_rng(3).normal(12, 3, (1, 100, 80)).astype(np.float32)
    encoder, sibling = session(folder / "encoder.onnx"), session(tmp_path / "model.onnx")
    feed = {"speech": speech, "speech_lengths": np.array([100], np.int32)}
    _, lens, log_probs, *_ = encoder.run(None, feed)
    renamed = {"speech": speech, "x_lens": np.array([100], np.int64)}
    actual, actual_lens = sibling.run(None, renamed)
    np.testing.assert_array_equal(actual, log_probs)
    assert (actual_lens.dtype, actual_lens.tolist()) == (np.int64, lens.tolist())
    metadata = sibling.get_modelmeta().custom_metadata_map
    assert metadata["vocab_size"] == str(VOCAB_SIZE)
    assert metadata["subsampling_factor"] == "4"
