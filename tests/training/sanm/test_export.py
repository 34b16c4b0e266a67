"""FunASR's interface of the exports; where funasr is installed, its own code writes them here."""

import importlib.util
import json
import math
import random
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")
onnx = pytest.importorskip("onnx", reason="exports need onnx: pip install 'auricle[train]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="exports are run with onnxruntime")
for name in ("kaldi_native_fbank", "kaldialign", "soundfile"):
    pytest.importorskip(name, reason="pip install 'auricle[train]' kaldialign")

from training import published, sherpa  # noqa: E402
from training.features import STYLES, low_frame_rate  # noqa: E402
from training.sanm.tokens import Pieces, train_bpe  # noqa: E402

pytestmark = pytest.mark.onnx
ASSETS = Path(__file__).parents[3] / "assets"
WITH_FUNASR = importlib.util.find_spec("funasr") is not None
FUNASR = STYLES["funasr"]
Array: TypeAlias = NDArray[np.float32]
KINDS = ("paraformer", "sense-voice")
SOURCES = ("shipped", "made now")


@pytest.fixture(scope="module", params=SOURCES)
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds paraformer/ and sense-voice/."""
    if request.param == "shipped":
        return ASSETS
    if not WITH_FUNASR:
        pytest.skip("FunASR's exporter needs funasr, which has a virtual environment of its own")
    from training.sanm.dataset import Cmvn
    from training.sanm.export import export
    from training.sanm.models import Checkpoint, objective

    out = tmp_path_factory.mktemp("published")
    train_bpe(out / "bpe.model")
    cmvn = Cmvn(np.full(560, -12, np.float32), np.full(560, 0.3, np.float32))
    for kind in KINDS:
        torch.manual_seed(0)
        weights = objective(kind, out / "bpe.model").model.state_dict()
        export(Checkpoint(kind, cmvn, weights, 0.0), out / "bpe.model", out / kind)
    return out


def names_and_types(path: Path) -> list[tuple[str, str]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [(value.name, value.type) for value in [*session.get_inputs(), *session.get_outputs()]]


@pytest.mark.parametrize("graph", ["model.onnx", "model_quant.onnx"])
def test_paraformers_names_and_types_are_funasrs(folders: Path, graph: str) -> None:
    assert names_and_types(folders / "paraformer" / graph) == [
        ("speech", "tensor(float)"),
        ("speech_lengths", "tensor(int32)"),
        ("logits", "tensor(float)"),
        ("token_num", "tensor(int32)"),
    ]


@pytest.mark.parametrize("graph", ["model.onnx", "model_quant.onnx"])
def test_sense_voices_names_and_types_are_funasrs(folders: Path, graph: str) -> None:
    assert names_and_types(folders / "sense-voice" / graph) == [
        ("speech", "tensor(float)"),
        ("speech_lengths", "tensor(int32)"),
        ("language", "tensor(int32)"),
        ("textnorm", "tensor(int32)"),
        ("ctc_logits", "tensor(float)"),
        ("encoder_out_lens", "tensor(int32)"),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_small(folders: Path, kind: str) -> None:
    assert max(path.stat().st_size for path in (folders / kind).iterdir()) < 8e6


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_tokens_as_logits(folders: Path, kind: str) -> None:
    tokens = json.loads((folders / kind / "tokens.json").read_text(encoding="utf-8"))
    proto = onnx.load(str(folders / kind / "model.onnx"))
    sizes = {tuple(tensor.dims) for tensor in proto.graph.initializer if len(tensor.dims) == 1}
    assert (len(tokens),) in sizes  # the output's bias
    if kind == "sense-voice":
        bpe = Pieces.load(folders / kind / published.BPE_NAME)
        assert tokens == bpe.tokens


def heard(folder: Path, kind: str, rows: list[Array]) -> list[Array]:
    """Scores [T, V] of each row of a batch, as long as the graph says it is."""
    session = published.open_session(folder / kind / "model.onnx")
    lens = np.array([len(row) for row in rows], np.int32)
    speech = np.zeros((len(rows), lens.max(), 560), np.float32)
    for padded, row in zip(speech, rows, strict=True):
        padded[: len(row)] = row
    feed = {"speech": speech, "speech_lengths": lens}
    if kind == "sense-voice":
        feed["language"] = np.full(len(rows), published.AUTO, np.int32)
        feed["textnorm"] = np.full(len(rows), published.WITHOUT_ITN, np.int32)
    scores, out_lens = session.run(None, feed)
    return [row[:length] for row, length in zip(scores, out_lens, strict=True)]


def rows_of_two_languages(folder: Path) -> list[Array]:
    shift, scale = published.read_cmvn(folder / "am.mvn")
    sets = (published.SHIPPED, published.SHIPPED_MANDARIN)
    features = [row for wavs in sets for row, _ in published.read_set(wavs, FUNASR)[:4]]
    return [(low_frame_rate(row) + shift) * scale for row in features]


def test_sense_voice_hears_a_batch_as_alone(folders: Path) -> None:
    rows = rows_of_two_languages(folders / "sense-voice")
    for row, together in zip(rows, heard(folders, "sense-voice", rows), strict=True):
        (alone,) = heard(folders, "sense-voice", [row])
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-3)


def test_paraformer_says_in_a_batch_what_it_says_alone() -> None:
    """Scores differ where the tail of CIF fires: there FunASR's graph takes in the padding."""
    rows = rows_of_two_languages(ASSETS / "paraformer")
    for row, together in zip(rows, heard(ASSETS, "paraformer", rows), strict=True):
        (alone,) = heard(ASSETS, "paraformer", [row])
        assert together.argmax(axis=1).tolist() == alone.argmax(axis=1).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_sibling_says_what_sherpa_onnx_asks(folders: Path, tmp_path: Path, kind: str) -> None:
    write = sherpa.paraformer if kind == "paraformer" else sherpa.sense_voice
    write(folders / kind, tmp_path)
    proto = onnx.load(str(tmp_path / "model.onnx"))
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    shift, scale = (
        [float(value) for value in metadata[name].split(",")] for name in ("neg_mean", "inv_stddev")
    )
    assert len(shift) == len(scale) == 560
    assert not any(math.isnan(value) for value in shift + scale)
    lines = (tmp_path / "tokens.txt").read_text(encoding="utf-8").splitlines()
    assert metadata["vocab_size"] == str(len(lines))


@pytest.mark.skipif(not WITH_FUNASR, reason="the classes that are trained are funasr's")
def test_attention_reaches_as_far_as_it_is_told(tmp_path: Path) -> None:
    from training.sanm.models import objective
    from training.sanm.train import UNBOUNDED, attention_within

    train_bpe(tmp_path / "bpe.model")
    model = objective("paraformer", tmp_path / "bpe.model").model.eval()
    speech = torch.randn(1, 120, 560)
    changed = speech.clone()
    changed[:, 100:] += 1
    lens = torch.tensor([120])
    differs = {}
    with torch.inference_mode():
        for reach in (2, UNBOUNDED):
            with attention_within(model, reach):
                pair = [model.encoder(x.clone(), lens)[0] for x in (speech, changed)]
            differs[reach] = (pair[0] - pair[1])[0, :50].abs().max() > 1e-6
    assert differs == {2: False, UNBOUNDED: True}  # 5 layers of memory and attention: 7 frames each


@pytest.mark.skipif(not WITH_FUNASR, reason="the classes that are trained are funasr's")
@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_finite_for_both_languages_and_silence(tmp_path: Path, kind: str) -> None:
    from training.sanm.dataset import Batch
    from training.sanm.models import objective

    train_bpe(tmp_path / "bpe.model")
    goal = objective(kind, tmp_path / "bpe.model")
    batch = Batch(torch.randn(3, 30, 560), torch.tensor([30, 22, 15]), ["stop", "七", ""])
    losses = goal.losses(batch, random.Random(0))
    assert all(torch.isfinite(value) for value in losses.values())
    losses["loss"].backward()
