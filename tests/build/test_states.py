"""What a streaming export shows of its states, and what is refused by its ports alone."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from auricle.build.export import wenet_streaming
from auricle.build.export.graph import Graph, load_graph
from auricle.build.export.roles import Role, classify, is_streaming, read_graph
from auricle.build.export.states import read_ports
from auricle.build.export.surgery import prefix_names
from auricle.errors import CheckpointError
from tests.build import tiny, tiny_streaming
from tests.build.tiny_streaming import Encoder

pytestmark = pytest.mark.onnx


def save(model: onnx.ModelProto, folder: Path) -> Graph:
    onnx.save(model, folder / "graph.onnx")
    return load_graph(folder / "graph.onnx")


@pytest.mark.parametrize(
    ("model", "role"),
    [
        (tiny_streaming.make_encoder(Encoder()), "streaming_encoder"),
        (tiny_streaming.make_encoder(Encoder(counts=False)), "streaming_encoder"),
        (tiny_streaming.make_encoder(Encoder(mark="next_")), "streaming_encoder"),
        (tiny_streaming.make_encoder(Encoder(is_ctc=True)), "streaming_ctc"),
        (tiny_streaming.make_wenet_encoder(), "wenet_streaming_encoder"),
        (tiny_streaming.make_wenet_encoder(None), "wenet_streaming_encoder"),
    ],
    ids=["icefall", "uncounted", "sherpa", "ctc", "wenet", "wenet-all"],
)
def test_a_streaming_export_is_known_by_its_ports(
    model: onnx.ModelProto, role: Role, tmp_path: Path
) -> None:
    graph = save(model, tmp_path)
    assert classify(graph) == role
    assert is_streaming(graph)


def test_an_offline_export_does_not_stream(tmp_path: Path) -> None:
    assert not is_streaming(save(tiny.make_encoder(tiny.Encoder()), tmp_path))


def test_a_stream_is_refused_where_utterances_are_needed(tmp_path: Path) -> None:
    path = save(tiny_streaming.make_encoder(Encoder()), tmp_path).path
    message = "the streaming icefall encoder, but the icefall joiner is needed"
    with pytest.raises(CheckpointError, match=message):
        read_graph(path, "joiner")


def test_every_state_is_found_with_its_axis_and_size(tmp_path: Path) -> None:
    ports = read_ports(save(tiny_streaming.make_encoder(Encoder()), tmp_path))
    assert [(s.port.name, s.batch_axis, s.row, s.output) for s in ports.states] == [
        ("cached_key_0", 1, (6, 16), "new_cached_key_0"),
        ("cached_nonlin_attn_0", 1, (1, 6, 16), "new_cached_nonlin_attn_0"),
        ("cached_conv1_0", 0, (16, 3), "new_cached_conv1_0"),
        ("processed_lens", 0, (), "new_processed_lens"),
    ]
    assert ports.size == 6 * 16 + 6 * 16 + 16 * 3 + 1
    assert [port.name for port in ports.outputs] == ["encoder_out"]
    assert (ports.window, ports.lens) == (21, None)


def test_a_count_is_a_state_without_an_output(tmp_path: Path) -> None:
    ports = read_ports(save(tiny_streaming.make_encoder(Encoder(counts=False)), tmp_path))
    assert (ports.states[-1].port.name, ports.states[-1].output) == ("processed_lens", None)


def test_the_length_of_a_window_is_no_state(tmp_path: Path) -> None:
    ports = read_ports(save(tiny_streaming.make_wenet_encoder(), tmp_path))
    assert ports.lens is not None
    assert ports.lens.name == "chunk_lens"
    assert [state.port.name for state in ports.states] == ["offset", "att_cache", "cnn_cache"]


def test_names_may_have_a_prefix(tmp_path: Path) -> None:
    model = tiny_streaming.make_encoder(Encoder(counts=False))
    prefix_names(model.graph, "my_")
    assert len(read_ports(save(model, tmp_path)).states) == 4


@pytest.mark.parametrize("beam", [10, None])
def test_wenets_log_probabilities_stand_behind_its_frames(beam: int | None, tmp_path: Path) -> None:
    graph = wenet_streaming.with_log_probs(save(tiny_streaming.make_wenet_encoder(beam), tmp_path))
    frames, log_probs = read_ports(graph).outputs
    assert frames.name == "chunk_out"
    assert len(log_probs.shape) == 3
    assert "idx" not in "".join(port.name for port in graph.outputs)


def test_the_table_names_every_state(tmp_path: Path) -> None:
    graph = save(tiny_streaming.make_encoder(Encoder(counts=False)), tmp_path)
    table = read_ports(graph).describe(graph)
    lines = [line.split() for line in table.splitlines()[-5:]]
    assert lines[0] == ["state", "type", "shape", "batch", "axis", "values"]
    assert lines[1] == ["cached_key_0", "float", "[6,", "N,", "16]", "1", "96"]
    assert lines[4] == [
        "processed_lens", "int64", "[N]", "0", "1", "counted", "in", "the", "served", "graph",
    ]  # fmt: skip


def test_states_of_one_kind_share_a_line(tmp_path: Path) -> None:
    model = tiny_streaming.make_encoder(Encoder())
    for side, mark in ((model.graph.input, ""), (model.graph.output, "new_")):
        for number in (1, 2):
            side.append(tiny.value(f"{mark}cached_key_{number}", TensorProto.FLOAT, 6, "N", 16))
    graph = save(model, tmp_path)
    assert "cached_key_0 to 2" in read_ports(graph).describe(graph)
    assert "3 x 96" in read_ports(graph).describe(graph)


@pytest.mark.parametrize("port", ["x", "encoder_out", "new_cached_key_0", "cached_conv1_0"])
def test_a_batch_of_one_is_refused(port: str, tmp_path: Path) -> None:
    """As torch.onnx.export(dynamo=True) leaves it: inputs say N, outputs say 1."""
    model = tiny_streaming.make_encoder(Encoder())
    for value in (*model.graph.input, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim if value.name == port else ():
            if dim.dim_param:
                dim.dim_value = 1
    with pytest.raises(CheckpointError, match=rf"fixed batch size at .*{port}.*dynamo=False"):
        read_ports(save(model, tmp_path))


def test_a_state_of_open_size_is_refused(tmp_path: Path) -> None:
    model = tiny_streaming.make_encoder(Encoder())
    model.graph.input[1].type.tensor_type.shape.dim[0].dim_param = "L"
    with pytest.raises(CheckpointError, match="leaves 2 axes of the state cached_key_0"):
        read_ports(save(model, tmp_path))


def test_a_window_of_open_length_is_refused(tmp_path: Path) -> None:
    model = tiny_streaming.make_encoder(Encoder())
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "T"
    with pytest.raises(CheckpointError, match="does not state how many frames"):
        read_ports(save(model, tmp_path))


def test_an_input_that_nothing_explains_is_refused(tmp_path: Path) -> None:
    model = tiny_streaming.make_encoder(Encoder())
    model.graph.input.append(tiny.value("prompt", TensorProto.FLOAT, "N", 4))
    with pytest.raises(CheckpointError, match=r"takes prompt float \[N, 4\], of which no output"):
        read_ports(save(model, tmp_path))
