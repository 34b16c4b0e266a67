from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import sherpa_onnx

from auricle.build import random_checkpoint
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options, load
from auricle.build.random_checkpoint import conformer, streaming
from auricle.build.random_checkpoint.graph import Graph
from auricle.errors import CheckpointError

SMALL = conformer.Shape(layers=2, dim=64, heads=4, feedforward=128, kernel=7, joiner_dim=64)
LOG_OF_SILENCE = -23.02585  # icefall's padding of features, log(1e-10)
Floats = npt.NDArray[np.float32]


def speechlike(seconds: float, seed: int) -> Floats:
    """Features [T, 80] that move in time and frequency as slowly as those of speech."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((int(seconds * 100) + 20, 99))
    for axis in (0, 1):
        noise = np.apply_along_axis(np.convolve, axis, noise, np.hanning(21) / 2, "valid")
    scaled: Floats = (3 * noise / noise.std() - 6).astype(np.float32)[:, :80]
    return np.pad(scaled, ((0, 0), (0, 80 - scaled.shape[1])), mode="edge")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random") / "checkpoint"
    random_checkpoint.write(folder, [speechlike(8, seed) for seed in range(3)], SMALL)
    return folder


def session(folder: Path, role: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(next(folder.glob(f"{role}-*.onnx")))


def encode(folder: Path, x: Floats, lens: list[int]) -> list[Floats]:
    """The valid rows of encoder_out."""
    encoder_out, out_lens = session(folder, "encoder").run(
        ["encoder_out", "encoder_out_lens"], {"x": x, "x_lens": np.array(lens, np.int64)}
    )
    return [rows[:count] for rows, count in zip(encoder_out, out_lens, strict=True)]


def test_sherpa_onnx_decodes_with_the_folder_as_it_is(folder: Path) -> None:
    files = {role: str(next(folder.glob(f"{role}-*.onnx"))) for role in ("encoder", "decoder")}
    recognizer = sherpa_onnx.OfflineRecognizer.from_transducer(
        **files, joiner=str(next(folder.glob("joiner-*.onnx"))), tokens=str(folder / "tokens.txt")
    )
    stream = recognizer.create_stream()
    stream.accept_waveform(16000, np.random.default_rng(0).normal(0, 0.1, 48000))
    recognizer.decode_stream(stream)
    assert "<" not in stream.result.text


def test_tokens_come_at_the_rate_of_speech(folder: Path) -> None:
    greedy = random_checkpoint.Greedy(session(folder, "decoder"), session(folder, "joiner"))
    frames = [encode(folder, x[None], [len(x)])[0] for x in map(speechlike, [8] * 3, range(3))]
    assert greedy.emission_rate(frames, 0.0) == pytest.approx(0.15, abs=0.03)


@pytest.mark.parametrize("num_frames", [7, 8, 9, 10, 150, 301])
def test_frames_are_subsampled_as_icefall_does(folder: Path, num_frames: int) -> None:
    x = speechlike(4, 0)[:num_frames]
    (rows,) = encode(folder, x[None], [num_frames])
    assert rows.shape == (((num_frames - 1) // 2 - 1) // 2, SMALL.joiner_dim)


def test_padding_from_32_frames_on_changes_nothing(folder: Path) -> None:
    x = speechlike(3, 0)
    little, much = (
        encode(folder, np.pad(x, ((0, pad), (0, 0)), constant_values=LOG_OF_SILENCE)[None], [300])
        for pad in (32, 100)
    )
    np.testing.assert_array_equal(little, much)


def test_distances_reach_attention_in_the_right_column() -> None:
    """The reshape trick of the relative shift against an index for every pair of frames."""
    graph = Graph(seed=0)
    graph.rename(conformer._relative_shift(graph, 2, "scores", "count"), "shifted")
    axes: list[int | str] = [1, 2, "T", "C"]
    model = graph.finish(
        {"scores": (conformer.FLOAT, axes), "count": (conformer.INT64, [1])},
        {"shifted": (conformer.FLOAT, [1, 2, "T", "T"])},
        {},
    )
    scores = np.random.default_rng(0).standard_normal((1, 2, 5, 9)).astype(np.float32)
    (shifted,) = onnxruntime.InferenceSession(model.SerializeToString()).run(
        None, {"scores": scores, "count": np.array([5])}
    )
    query, key = np.indices((5, 5))
    np.testing.assert_array_equal(shifted, scores[:, :, query, 4 - (query - key)])


def test_the_default_encoder_has_thirty_million_parameters() -> None:
    model = conformer.encoder(conformer.Shape(), seed=1)
    sizes = [int(np.prod(tensor.dims)) for tensor in model.graph.initializer]
    assert sum(sizes) == pytest.approx(30e6, rel=0.05)


def test_a_seed_gives_one_checkpoint(folder: Path, tmp_path: Path) -> None:
    random_checkpoint.write(tmp_path, [speechlike(8, seed) for seed in range(3)], SMALL)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_graphs_load_in_the_runtimes_of_older_images(folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert model.ir_version <= 10
        assert model.opset_import[0].version <= 18


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CheckpointError, match="is not empty"):
        random_checkpoint.write(tmp_path, [speechlike(1, 0)], SMALL)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random") / "streaming"
    features = [speechlike(8, seed) for seed in range(3)]
    random_checkpoint.write(folder, features, SMALL, streaming=True)
    return folder


def test_sherpa_onnx_hears_a_stream_with_the_folder_as_it_is(live: Path) -> None:
    files = {role: str(next(live.glob(f"{role}-*.onnx"))) for role in ("encoder", "decoder")}
    recognizer = sherpa_onnx.OnlineRecognizer.from_transducer(
        **files, joiner=str(next(live.glob("joiner-*.onnx"))), tokens=str(live / "tokens.txt")
    )
    stream = recognizer.create_stream()
    stream.accept_waveform(16000, np.random.default_rng(0).normal(0, 0.1, 48000))
    while recognizer.is_ready(stream):
        recognizer.decode_stream(stream)
    assert "<" not in recognizer.get_result(stream)


def test_a_stream_is_built_as_any_checkpoint_is(live: Path) -> None:
    built = load("icefall-transducer").build(Checkpoint(live, str(live)), Options())
    assert built.spec.streaming is not None
    assert (built.spec.streaming.num_frames, built.spec.seconds_per_frame) == (16, 0.04)


@pytest.mark.parametrize(("done", "is_heard"), [(0, False), (16, True)])
def test_only_what_was_heard_is_attended_to(live: Path, done: int, is_heard: bool) -> None:
    encoder = session(live, "encoder")
    _, attn, conv, _ = encoder.get_inputs()
    shapes = {each.name: [1 if dim == "N" else dim for dim in each.shape] for each in (attn, conv)}
    feed = {
        "x": speechlike(1, 0)[None, : streaming.WINDOW],
        "processed_lens": np.array([done], np.int64),
        conv.name: np.zeros(shapes[conv.name], np.float32),
    }
    silence, noise = (
        encoder.run(["encoder_out"], feed | {attn.name: np.full(shapes[attn.name], value)})[0]
        for value in np.array([0, 1], np.float32)
    )
    assert (silence != noise).any() == is_heard


def test_distances_reach_the_attention_of_a_stream_in_the_right_column() -> None:
    graph = Graph(seed=0)
    graph.rename(streaming.relative_shift(graph, 2, "scores"), "shifted")
    model = graph.finish(
        {"scores": (conformer.FLOAT, ["N", 2, 16, 95])},
        {"shifted": (conformer.FLOAT, ["N", 2, 16, 80])},
        {},
    )
    scores = np.random.default_rng(0).standard_normal((3, 2, 16, 95)).astype(np.float32)
    (shifted,) = onnxruntime.InferenceSession(model.SerializeToString()).run(
        None, {"scores": scores}
    )
    query, key = np.indices((16, 80))
    np.testing.assert_array_equal(shifted, scores[:, :, query, 79 - (64 + query - key)])


def test_an_encoder_of_streams_has_thirty_million_parameters() -> None:
    model = streaming.encoder(conformer.Shape(), seed=1)
    sizes = [int(np.prod(tensor.dims)) for tensor in model.graph.initializer]
    assert sum(sizes) == pytest.approx(30e6, rel=0.05)
