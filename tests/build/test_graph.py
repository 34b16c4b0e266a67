"""Reading graphs: what is known passes, what is not is refused with all that was seen."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from auricle.build.export.graph import load_graph
from auricle.build.export.roles import Role, read_graph
from auricle.errors import CheckpointError
from tests.build import tiny

ROOT = Path(__file__).parents[2]


def save(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "graph.onnx")
    return folder / "graph.onnx"


@pytest.mark.parametrize(
    ("model", "role"),
    [
        (tiny.make_encoder(tiny.Encoder()), "encoder"),
        (tiny.make_encoder(tiny.Encoder(is_ctc=True)), "ctc"),
        (tiny.make_decoder(TensorProto.INT32), "decoder"),
        (tiny.make_joiner(), "joiner"),
    ],
)
def test_every_part_is_known_by_its_shape(
    model: onnx.ModelProto, role: Role, tmp_path: Path
) -> None:
    assert read_graph(save(model, tmp_path), role).model == model


@pytest.mark.parametrize(
    ("file", "role"),
    [
        ("assets/wenet-u2/encoder.onnx", "wenet_encoder"),
        ("assets/wenet-u2/decoder.onnx", "wenet_decoder"),
        ("assets/sense-voice/model.onnx", "sense_voice"),
        ("assets/sense-voice/model_quant.onnx", "sense_voice"),
        ("tests/data/paraformer/bicif/model.onnx", "paraformer"),
        ("tests/data/paraformer/seaco/model.onnx", "paraformer"),
        ("tests/data/paraformer/seaco/model_eb.onnx", "hotword_embedder"),
        ("tests/data/paraformer/contextual/model_eb.onnx", "hotword_embedder"),
        ("assets/paraformer-online/model.onnx", "paraformer_online"),
        ("assets/paraformer-online/decoder.onnx", "paraformer_online_decoder"),
    ],
)
def test_graphs_of_other_toolkits_are_known_by_their_shape(file: str, role: Role) -> None:
    assert read_graph(ROOT / file, role).path.name in file


def ports(names: dict[str, tuple[int | str, ...]]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in names.items()
    ]


@pytest.mark.parametrize(
    ("inputs", "outputs", "sentence"),
    [
        (
            {"chunk": (1, "T", 80), "required_cache_size": (), "att_cache": (12, 4, "T", 128)},
            {"output": (1, "T", 256)},
            r"export_onnx_cpu\.py.*export_onnx_gpu\.py",
        ),
    ],
    ids=["wenet-cpu"],
)
def test_exports_that_are_not_built_are_told_apart(
    inputs: dict[str, tuple[int | str, ...]],
    outputs: dict[str, tuple[int | str, ...]],
    sentence: str,
    tmp_path: Path,
) -> None:
    nodes = [helper.make_node("Identity", [next(iter(inputs))], [name]) for name in outputs]
    graph = helper.make_graph(nodes, "stream", ports(inputs), ports(outputs))
    with pytest.raises(CheckpointError, match=sentence):
        read_graph(save(helper.make_model(graph, ir_version=8), tmp_path), "wenet_encoder")


def test_an_unknown_graph_is_refused_with_what_was_seen(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["pixels"], ["boxes"])],
        "detector",
        [value("pixels", TensorProto.FLOAT, ["N", 3, 640, 640])],
        [value("boxes", TensorProto.FLOAT, ["N", 3, 640, 640])],
    )
    model = helper.make_model(graph, ir_version=8)
    helper.set_model_props(model, {"stride": "32"})
    with pytest.raises(CheckpointError) as caught:
        read_graph(save(model, tmp_path), "encoder")
    for seen in ("pixels float [N, 3, 640, 640]", "boxes", "stride=32", "x_lens [N]"):
        assert seen in str(caught.value)


def test_a_graph_in_the_wrong_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="icefall joiner, but the icefall decoder"):
        read_graph(save(tiny.make_joiner(), tmp_path), "decoder")


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    model = tiny.make_encoder(tiny.Encoder())
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(CheckpointError, match="fixed batch size at encoder_out"):
        read_graph(save(model, tmp_path), "encoder")


def test_whisper_features_are_refused(tmp_path: Path) -> None:
    kind = tiny.Encoder(metadata=(("model_type", "zipformer2"), ("feature", "whisper")))
    with pytest.raises(CheckpointError, match="'whisper' features; known: fbank"):
        read_graph(save(tiny.make_encoder(kind), tmp_path), "encoder")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = save(tiny.make_encoder(tiny.Encoder()), tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"no whole ONNX file.*fetch it again"):
        load_graph(path)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\noid x\n"])
def test_a_file_without_a_graph_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "encoder.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="ONNX"):
        load_graph(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.onnx"):
        load_graph(tmp_path / "absent.onnx")


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        (tiny.make_encoder(tiny.Encoder()), "fp32"),
        (tiny.make_encoder(tiny.Encoder(io_dtype=TensorProto.FLOAT16)), "fp16"),
    ],
)
def test_precision_is_read_from_the_graph(
    model: onnx.ModelProto, precision: str, tmp_path: Path
) -> None:
    assert load_graph(save(model, tmp_path)).precision == precision
