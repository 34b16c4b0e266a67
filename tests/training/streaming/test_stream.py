"""Each graph, chunk by chunk, is the encoder as it was trained; each stream is alone in a batch."""

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")
soundfile = pytest.importorskip("soundfile", reason="pip install 'auricle[train]'")
pytest.importorskip("onnxruntime", reason="exports are run with onnxruntime")
pytest.importorskip("kaldi_native_fbank")
pytest.importorskip("sentencepiece")

from training import wenet  # noqa: E402
from training.encoder import Encoder, subsampled_length  # noqa: E402
from training.features import STYLES, Statistics, fbank  # noqa: E402
from training.model import Recognizer  # noqa: E402
from training.streaming.chunking import Chunking  # noqa: E402
from training.streaming.stream import StreamingGraph, Tensors  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

    from tests.training.streaming.conftest import Exports

pytestmark = pytest.mark.onnx
Array: TypeAlias = NDArray[np.float32]
ROOT = Path(__file__).parents[3]
WAVS = [ROOT / "client" / "test_wavs" / f"heldout-00{n}.wav" for n in ("20", "26", "60")]
KINDS = ("icefall-conformer", "icefall-zipformer2", "icefall-zipformer2-ctc", "wenet")
GLOB = {"icefall-zipformer2-ctc": "ctc-*.onnx", "wenet": "encoder.onnx"}
OUTPUT = {"icefall-zipformer2-ctc": "log_probs", "wenet": "chunk_out"}
CUT = {"icefall-conformer": 1}  # encoder frames that no window gives, at the start of a stream
ATOL = 1e-4  # float32 sums in another order; log_probs are 8 in size, the others 1 to 2
HISTORY = {
    "icefall-conformer": ("cached_attn",),
    "icefall-zipformer2": ("cached_key_0", "cached_val1_0", "cached_key_1", "cached_val1_1"),
    "icefall-zipformer2-ctc": ("cached_key_0", "cached_val1_0", "cached_key_1", "cached_val1_1"),
    "wenet": ("att_cache",),
}


@functools.cache
def features(kind: str) -> list[Array]:
    style = STYLES["wenet" if kind == "wenet" else "icefall"]
    return [fbank(soundfile.read(path, dtype="float32")[0], style) for path in WAVS]


@functools.cache
def opened(exports: "Exports", kind: str) -> StreamingGraph:
    (path,) = (exports.root / kind).glob(GLOB.get(kind, "encoder-*.onnx"))
    chunking = exports.chunking
    return StreamingGraph(path, chunking.shift, chunking.chunk if kind in CUT else 0)


@functools.cache
def adapted(exports: "Exports", kind: str) -> Recognizer:
    """The weights of the graph: WeNet's have another normalisation and order of tokens."""
    if kind != "wenet":
        return exports.model
    cmvn = json.loads((exports.root / "wenet" / "global_cmvn").read_text(encoding="utf-8"))
    sums = [np.array(cmvn[name]) for name in ("mean_stat", "var_stat")]
    return wenet.adapt(exports.model, Statistics(sums[0], sums[1], cmvn["frame_num"]))


def in_torch(encoder: Encoder, windows: Array, chunking: Chunking) -> "Tensor":
    """The frames of one stream, by the state that training tests against the chunk mask."""
    state = encoder.initial_state(1, chunking.left_context)
    chunks = []
    for window in torch.from_numpy(windows):
        chunk, state = encoder.forward_chunk(window[None, : chunking.window], state)
        chunks.append(chunk[0])
    return torch.cat(chunks)


def head(model: Recognizer, kind: str, frames: "Tensor") -> Array:
    if kind == "wenet":
        return np.asarray(frames)
    if kind == "icefall-zipformer2-ctc":
        return np.asarray(model.ctc(frames).log_softmax(dim=1))
    return np.asarray(model.encoder_proj(frames))


@pytest.mark.parametrize("kind", KINDS)
def test_chunk_by_chunk_is_the_stream_in_torch(exports: "Exports", kind: str) -> None:
    graph, model = opened(exports, kind), adapted(exports, kind)
    for utterance in features(kind):
        windows, _ = graph.windows(utterance)
        windows = windows[: len(utterance) // graph.shift - 1]  # full of audio, as WeNet's mask is
        first = 4 * CUT.get(kind, 0)
        expected = head(model, kind, in_torch(model.encoder, windows[:, first:], exports.chunking))
        actual = graph.run(utterance)[OUTPUT.get(kind, "encoder_out")][: len(expected)]
        assert len(expected) == len(windows) * exports.chunking.chunk
        np.testing.assert_allclose(actual, expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize("kind", KINDS)
def test_streams_in_a_batch_are_as_if_alone(exports: "Exports", kind: str) -> None:
    """Of three streams the first is new, the others have run for one and two windows."""
    graph = opened(exports, kind)
    states, windows, alone = [], [], []
    for before, utterance in enumerate(features(kind)):
        state = graph.initial_state()
        cut, lens = graph.windows(utterance)
        for window, length in zip(cut[:before], lens[:before], strict=True):
            _, state = graph.step(window[None], state, [length])
        states.append(state)
        windows.append(cut[before])
        alone.append(graph.step(cut[before][None], state, [graph.window]))
    together = graph.step(np.stack(windows), graph.stack(states), [graph.window] * 3)
    expected = (joined([outputs for outputs, _ in alone]), graph.stack([s for _, s in alone]))
    for actual, single in zip(together, expected, strict=True):
        for name, value in single.items():
            np.testing.assert_allclose(actual[name], value, rtol=0, atol=ATOL, err_msg=name)


def joined(outputs: list[Tensors]) -> Tensors:
    return {name: np.concatenate([one[name] for one in outputs]) for name in outputs[0]}


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_before_the_stream_is_not_seen(demo: "Exports", kind: str) -> None:
    graph = opened(demo, kind)
    (utterance, *_), state = features(kind), graph.initial_state()
    window = graph.windows(utterance)[0][:1]
    expected, _ = graph.step(window, state, [graph.window])
    dirty = {name: np.full_like(state[name], 9) for name in HISTORY[kind]}
    actual, _ = graph.step(window, state | dirty, [graph.window])
    np.testing.assert_array_equal(
        actual[OUTPUT.get(kind, "encoder_out")], expected[OUTPUT.get(kind, "encoder_out")]
    )


@pytest.mark.parametrize("kind", ["icefall-zipformer2", "icefall-zipformer2-ctc"])
def test_states_that_our_blocks_lack_are_handed_on(demo: "Exports", kind: str) -> None:
    graph = opened(demo, kind)
    state = graph.initial_state()
    window = graph.windows(features(kind)[0])[0][:1]
    expected, _ = graph.step(window, state, [])
    ours = ("cached_key", "cached_val1", "cached_conv1", "processed_lens")
    rng = np.random.default_rng(0)
    extra = {
        name: rng.standard_normal(value.shape).astype(np.float32)
        for name, value in state.items()
        if not name.startswith(ours)
    }
    assert len(extra) == 3 * 5 + 1
    actual, after = graph.step(window, state | extra, [])
    for name, value in extra.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)


@pytest.mark.parametrize("kind", ["icefall-zipformer2", "icefall-zipformer2-ctc"])
def test_zipformer2_counts_frames_of_20_ms(demo: "Exports", kind: str) -> None:
    graph = opened(demo, kind)
    _, state = graph.step(np.zeros((1, 77, 80), np.float32), graph.initial_state(), [])
    assert state["processed_lens"].tolist() == [32]


@pytest.mark.parametrize("num_frames", [7, 66, 67, 68, 131, 200, 237])
def test_wenet_hides_what_is_no_audio(demo: "Exports", num_frames: int) -> None:
    """The last window of any length gives what the chunk mask gives over the bare utterance."""
    graph, model = opened(demo, "wenet"), adapted(demo, "wenet")
    utterance = features("wenet")[-1][:num_frames]
    frames = subsampled_length(num_frames)
    chunking = demo.chunking
    expected, _ = model.encoder(
        torch.from_numpy(utterance[None]),
        torch.tensor([num_frames]),
        chunking.chunk,
        chunking.left_context,
    )
    actual = graph.run(utterance)["chunk_out"][:frames]
    np.testing.assert_allclose(actual, expected[0].numpy(), rtol=0, atol=ATOL)


@pytest.mark.parametrize(("length", "frames"), [(67, 16), (66, 16), (10, 2), (7, 1), (6, 1)])
def test_wenet_counts_its_frames_generously(demo: "Exports", length: int, frames: int) -> None:
    """chunk_lens // 4, as upstream: (66 - 3) // 4 = 15 frames are real of the 16."""
    graph = opened(demo, "wenet")
    window = np.zeros((1, 67, 80), np.float32)
    outputs, _ = graph.step(window, graph.initial_state(), [length])
    assert outputs["chunk_out_lens"].tolist() == [frames]


def test_wenets_tokens_are_the_best_of_ctc(demo: "Exports") -> None:
    graph, model = opened(demo, "wenet"), adapted(demo, "wenet")
    out = graph.run(features("wenet")[0])
    log_probs = model.ctc(torch.from_numpy(out["chunk_out"])).log_softmax(dim=1).numpy()
    best = -np.sort(-log_probs, axis=1)[:, :10]
    np.testing.assert_allclose(out["log_probs"], best, rtol=0, atol=ATOL)
    chosen = np.take_along_axis(log_probs, out["log_probs_idx"].astype(np.int64), axis=1)
    np.testing.assert_allclose(chosen, best, rtol=0, atol=ATOL)
