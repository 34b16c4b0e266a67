"""Silero's detector as it is served, and what is said where there is none."""

from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from auricle import spec
from auricle.build import families
from auricle.build.checkpoint import Checkpoint, silero
from auricle.build.export import unfold
from auricle.build.export.graph import load_graph
from auricle.build.export.reference import load_waveforms
from auricle.build.export.session import Session
from auricle.build.export.unfold import unfold_convolutions
from auricle.build.export.vad import build_detector
from auricle.build.families import Options
from auricle.build.families.silero_vad import add_vad
from auricle.build.repository import config
from auricle.build.repository.populate import Deployment, populate
from auricle.errors import CheckpointError, ParityError, RepositoryError
from auricle.spec import RunnerName, Vad
from tests.build import tiny, tiny_streaming

pytestmark = pytest.mark.onnx

GRAPH = silero.find_vad("auto")


def test_the_detector_states_its_sizes() -> None:
    detector = build_detector(load_graph(GRAPH), load_waveforms(None, 16000))
    assert (detector.window, detector.context, detector.state_size) == (512, 64, 128)
    assert "Conv" not in {node.op_type for node in detector.model.graph.node}
    assert detector.model.ir_version <= 10
    assert all(entry.version <= 18 for entry in detector.model.opset_import)


def test_another_detector_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    read = unfold._read
    louder = lambda node, weight: read(node, weight * np.float32(1.01))  # noqa: E731
    monkeypatch.setattr(unfold, "_read", louder)
    with pytest.raises(ParityError, match="strays by more than"):
        build_detector(load_graph(GRAPH), load_waveforms(None, 16000))


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "pads"),
    [(1, 256, 128, 0), (129, 3, 1, 1), (16, 3, 2, 1), (4, 1, 1, 0), (1, 3, 2, 1)],
)
def test_an_unfolded_convolution_is_the_same(
    channels: int, kernel: int, stride: int, pads: int
) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv1d(channels, 8, kernel, stride, pads)
    x = torch.randn(3, channels, 832 if kernel == 256 else 5)
    tensor = helper.make_tensor_value_info
    weights = [
        onnx.numpy_helper.from_array(each.detach().numpy(), name)
        for name, each in {"w": conv.weight, "b": conv.bias}.items()
    ]
    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["y"], strides=[stride], pads=[pads] * 2, kernel_shape=[kernel]
    )
    graph = helper.make_graph(
        [node],
        "conv",
        [tensor("x", TensorProto.FLOAT, ["N", channels, "T"])],
        [tensor("y", TensorProto.FLOAT, ["N", 8, "S"])],
        weights,
    )
    opsets = [helper.make_opsetid("", 16)]
    unfold_convolutions(graph)
    assert "Conv" not in {each.op_type for each in graph.node}
    found = Session(helper.make_model(graph, opset_imports=opsets, ir_version=8))
    np.testing.assert_allclose(
        found.run({"x": x.numpy()})["y"], conv(x).detach().numpy(), rtol=0, atol=1e-5
    )


def test_a_model_gets_a_detector_beside_its_encoder(tmp_path: Path) -> None:
    family = families.load("icefall_transducer")
    folder = tiny.write_transducer(tmp_path / "checkpoint")
    plain = family.build(Checkpoint(folder, str(folder)), Options())
    built = add_vad(plain, GRAPH, Options())
    assert built.spec.vad == Vad(16000, 512, 64, 128)
    assert set(built.graphs) == set(built.spec.graphs) == {*plain.graphs, "vad"}
    assert GRAPH.name in built.spec.source.sha256
    for runner in get_args(RunnerName):
        populate(built, "demo", tmp_path / runner, Deployment(runner))
        version = tmp_path / runner / "demo" / "1"
        assert spec.load(version) == built.spec
        assert (version / "vad.onnx").stat().st_size < 2 << 20


def test_only_a_model_with_a_detector_has_its_choices(tmp_path: Path) -> None:
    family = families.load("icefall_transducer")
    folder = tiny.write_transducer(tmp_path / "checkpoint")
    plain = family.build(Checkpoint(folder, str(folder)), Options())
    texts = []
    for name, built in {"plain": plain, "cutting": add_vad(plain, GRAPH, Options())}.items():
        populate(built, name, tmp_path, Deployment())
        texts.append((tmp_path / name / config.FILE_NAME).read_text())
    assert [["vad" in text for text in texts], ["max_vad_seconds" in text for text in texts]] == [
        [False, True], [False, True],
    ]  # fmt: skip


def test_streams_are_not_cut(tmp_path: Path) -> None:
    folder = tiny_streaming.write_ctc(tmp_path / "checkpoint")
    built = families.load("icefall_ctc").build(Checkpoint(folder, str(folder)), Options())
    with pytest.raises(CheckpointError, match="--vad is for models of whole utterances"):
        add_vad(built, GRAPH, Options())


def test_a_detector_has_no_encoder_for_triton(tmp_path: Path) -> None:
    source = silero.Installed().find()
    built = families.load("silero_vad").build(source, Options())
    with pytest.raises(RepositoryError, match="has no encoder that Triton could run"):
        populate(built, "vad", tmp_path, Deployment("bls"))


def test_a_package_that_is_not_installed_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silero, "PACKAGE", "no_such_package")
    with pytest.raises(CheckpointError, match="pip install --no-deps silero-vad"):
        silero.find_vad("auto")
    with pytest.raises(CheckpointError, match="pip install --no-deps silero-vad"):
        silero.Installed().find()


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no file .*vad\.onnx.*silero_vad_16k_sequence"):
        silero.find_vad(str(tmp_path / "vad.onnx"))


def test_the_form_of_single_windows_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no graph that is known here"):
        build_detector(load_graph(GRAPH.with_name("silero_vad.onnx")), load_waveforms(None, 16000))
