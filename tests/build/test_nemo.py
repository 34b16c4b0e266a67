"""NeMo's exports: what the builder sees in them, and what it refuses."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from typer.testing import CliRunner

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.export.graph import load_graph
from auricle.build.export.nemo.predictor import (
    Published,
    adapt_predictor,
    check_predictor,
    count_scores,
)
from auricle.build.export.nemo.published import frames_first, measure_subsampling
from auricle.build.export.nemo.streaming import new_frames_only
from auricle.build.export.session import Session
from auricle.build.families import Built, Options
from auricle.build.families._nemo import read_frontend, read_table
from auricle.build.frontend.nemo_mel import Edges
from auricle.cli import create_app
from auricle.errors import CheckpointError, ParityError
from tests.build import tiny_nemo, tiny_nemo_streaming
from tests.build.tiny_nemo import Encoder

pytestmark = pytest.mark.onnx


def build(family: str, folder: Path, edges: Edges | None = None) -> Built:
    options = Options(feature_edges=edges)
    return families.load(family).build(Checkpoint(folder, str(folder)), options)


def edit_metadata(path: Path, **changes: str) -> None:
    model = onnx.load(path)
    metadata = {prop.key: prop.value for prop in model.metadata_props} | changes
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: text for key, text in metadata.items() if text})
    onnx.save(model, path)


@pytest.mark.parametrize("is_ctc", [True, False])
@pytest.mark.parametrize("looks_back", [True, False])
@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_the_subsampling_is_seen_from_outside(
    halvings: int, looks_back: bool, is_ctc: bool, tmp_path: Path
) -> None:
    kind = Encoder(halvings=halvings, looks_back=looks_back, is_ctc=is_ctc)
    onnx.save(tiny_nemo.make_encoder(kind), tmp_path / "model.onnx")
    graph = load_graph(tmp_path / "model.onnx")
    rate = measure_subsampling(graph, time_axis=1 if is_ctc else 2)
    session = Session(graph.model)
    assert rate.factor == 2**halvings
    for num_frames in range(1, 70):
        features = np.zeros((1, 80, num_frames), np.float32)
        outputs = session.run({"audio_signal": features, "length": np.array([num_frames])})
        found = outputs[graph.outputs[0].name]
        assert rate.count(num_frames) == found.shape[1 if is_ctc else 2]


def test_frames_are_counted_in_integers(tmp_path: Path) -> None:
    """Every length that NeMo's floats count, and one that float16 does not."""
    folder = tiny_nemo.write_ctc(tmp_path)
    graph = frames_first(load_graph(folder / "model.onnx"), is_ctc=True)
    session = Session(graph.model)
    features = np.zeros((3, 4099, 80), np.float32)
    lens = np.array([4099, 4089, 1])
    found = session.run({"x": features, "x_lens": lens})
    assert found["log_probs_lens"].tolist() == [513, 512, 1]


def test_an_encoder_that_counts_otherwise_is_refused(tmp_path: Path) -> None:
    model = tiny_nemo.make_encoder(Encoder(is_ctc=False))
    (node,) = (node for node in model.graph.node if node.output[0] == "encoded_lengths")
    node.input[0] = "length"
    onnx.save(model, tmp_path / "encoder.onnx")
    with pytest.raises(CheckpointError, match="16 of 128 frames, and 128, which is no even"):
        measure_subsampling(load_graph(tmp_path / "encoder.onnx"), time_axis=2)


@pytest.mark.parametrize(
    ("version", "asked", "edges"),
    [
        ("1.23.0", None, "reflect"),
        ("2.4.1", None, "reflect"),
        ("2.5.0", None, "zeros"),
        ("3.0.0rc1", None, "zeros"),
        (None, None, "zeros"),
        ("1.23.0", "zeros", "zeros"),
        ("2.5.0", "reflect", "reflect"),
    ],
)
def test_the_version_says_what_lies_beyond_the_audio(
    version: str | None, asked: Edges | None, edges: Edges, tmp_path: Path
) -> None:
    folder = tiny_nemo.write_ctc(tmp_path)
    if version:
        settings = {"nemo_version": version, "preprocessor": {"normalize": "per_feature"}}
        (folder / "model_config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    built = build("nemo-ctc", folder, asked)
    assert f"{edges} beyond the audio" in "\n".join(built.report)


def test_the_command_takes_the_edges(tmp_path: Path) -> None:
    folder = tiny_nemo.write_ctc(tmp_path / "checkpoint")
    asked = ("--from", folder, "--name", "a", "--repo", tmp_path, "--feature-edges", "reflect")
    result = CliRunner().invoke(create_app(), ["build", "nemo-ctc", *map(str, asked)])
    assert result.exit_code == 0, result.output
    assert "reflect beyond the audio" in result.stdout


@pytest.mark.parametrize(
    ("metadata", "normalizes"),
    [({}, True), ({"normalize_type": "per_feature"}, True), ({"normalize_type": "NA"}, False)],
)
def test_the_metadata_says_what_is_normalised(
    metadata: dict[str, str], normalizes: bool, tmp_path: Path
) -> None:
    folder = tiny_nemo.write_ctc(tmp_path, Encoder(metadata=tuple(metadata.items())))
    graph = load_graph(folder / "model.onnx")
    assert read_frontend(graph, {}, Options()).normalizes == normalizes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_fft": 1024}, r"preprocessor\.n_fft 1024; known: 512"),
        ({"window": "hamming"}, r"preprocessor\.window 'hamming'; known: hann"),
        ({"normalize": "all_features"}, r"by 'all_features'; known: per_feature, NA"),
    ],
)
def test_features_that_are_not_made_here_are_refused(
    settings: dict[str, str | int], message: str, tmp_path: Path
) -> None:
    folder = tiny_nemo.write_ctc(tmp_path)
    text = yaml.safe_dump({"preprocessor": settings})
    (folder / "model_config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=message):
        build("nemo-ctc", folder)


def test_weights_beyond_one_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auricle.build.families._nemo.MAX_BYTES", 1000)
    with pytest.raises(CheckpointError, match=r"2 GiB: build the checkpoint's int8 or fp16"):
        build("nemo-ctc", tiny_nemo.write_ctc(tmp_path))


def test_gigaam_is_refused_by_name(tmp_path: Path) -> None:
    folder = tiny_nemo.write_ctc(tmp_path, Encoder(metadata=(("is_giga_am", "1"),)))
    with pytest.raises(CheckpointError, match="GigaAM, whose features are not NeMo's"):
        build("nemo-ctc", folder)


@pytest.mark.parametrize("key", ["window_size", "chunk_shift"])
def test_a_stream_without_a_window_says_what_is_missing(key: str, tmp_path: Path) -> None:
    folder = tiny_nemo_streaming.write_ctc(tmp_path)
    edit_metadata(folder / "model.onnx", **{key: ""})
    with pytest.raises(CheckpointError, match=rf"{key} '', expected a number.* sherpa-onnx's"):
        build("nemo-ctc", folder)


def test_a_stream_whose_caches_are_open_says_what_is_missing(tmp_path: Path) -> None:
    folder = tiny_nemo_streaming.write_ctc(tmp_path)
    edit_metadata(folder / "model.onnx", cache_last_time_dim3="")
    with pytest.raises(CheckpointError, match="add cache_last_time_dim1 to cache_last_time_dim3"):
        new_frames_only(load_graph(folder / "model.onnx"), is_ctc=True)


def test_a_stream_of_normalised_utterances_is_refused(tmp_path: Path) -> None:
    folder = tiny_nemo_streaming.write_ctc(tmp_path)
    edit_metadata(folder / "model.onnx", normalize_type="per_feature")
    with pytest.raises(CheckpointError, match="which a stream never is"):
        build("nemo-ctc", folder)


def test_blank_is_the_last_token(tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("<blk> 0\na 1\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match="ends in 'a', expected <blk>"):
        read_table(tmp_path / "tokens.txt", 2)


def test_parts_of_two_checkpoints_are_refused(tmp_path: Path) -> None:
    folder = tiny_nemo.write_transducer(tmp_path)
    model = onnx.load(folder / "encoder-model.onnx")
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 17
    onnx.save(model, folder / "encoder-model.onnx")
    with pytest.raises(CheckpointError, match=r"gives 17 .* takes 16: are they of one checkpoint"):
        build("nemo-transducer", folder)


@pytest.fixture
def published(tmp_path: Path) -> Published:
    folder = tiny_nemo.write_transducer(tmp_path, num_durations=5)
    return Published(load_graph(folder / "decoder_joint-model.onnx"), None, tiny_nemo.VOCAB_SIZE)


def test_tokens_and_durations_are_told_apart(published: Published) -> None:
    assert count_scores(published) == tiny_nemo.VOCAB_SIZE + 5
    adapted = adapt_predictor(published, tiny_nemo.VOCAB_SIZE + 5)
    outputs = [value.name for value in adapted.graph.output]
    assert outputs == ["log_probs", "jumps", "jump_log_probs", "new_state"]
    assert "predictor to the original" in check_predictor(published, adapted)


def test_more_tokens_than_scores_are_refused(published: Published) -> None:
    with pytest.raises(CheckpointError, match="scores 29 tokens, but 40 are named"):
        count_scores(dataclasses.replace(published, vocab_size=40))


def test_an_unfaithful_predictor_is_never_built(published: Published) -> None:
    adapted = adapt_predictor(published, tiny_nemo.VOCAB_SIZE + 5)
    for tensor in adapted.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 2:
            louder = onnx.numpy_helper.from_array(values * np.float32(1.1), tensor.name)
            tensor.CopyFrom(louder)
    with pytest.raises(ParityError, match="decoder and joint network stray"):
        check_predictor(published, adapted)


def test_a_predictor_s_rows_and_frames_do_not_meet(published: Published) -> None:
    session = Session(adapt_predictor(published, tiny_nemo.VOCAB_SIZE + 5))
    generator = np.random.default_rng(1)
    inputs = {
        "encoder_out": generator.normal(size=(4, 6, tiny_nemo.DIM)).astype(np.float32),
        "y": np.array([3, tiny_nemo.VOCAB_SIZE - 1, 0, 3]),
        "state": generator.normal(size=(4, published.state_size)).astype(np.float32),
    }
    batch = session.run(inputs)
    for row in range(4):
        single = session.run({name: value[row : row + 1] for name, value in inputs.items()})
        for name, values in single.items():
            np.testing.assert_allclose(batch[name][row], values[0], atol=1e-6, err_msg=name)
