"""A machine whose trtexec and nvidia-smi are recorders."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Recorder:
    """asked: every argument of trtexec but --help, a line each."""

    folder: Path

    @property
    def asked(self) -> list[str]:
        log = self.folder / "asked.txt"
        return log.read_text().splitlines() if log.is_file() else []


def wait_for(is_so: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def write_graph(path: Path) -> Path:
    """With the ports of an adapted encoder."""
    from onnx import TensorProto, helper

    wav = helper.make_tensor_value_info("WAV", TensorProto.FLOAT, ["N", "L"])
    lens = helper.make_tensor_value_info("WAV_LENS", TensorProto.INT32, ["N"])
    out = helper.make_tensor_value_info("ENCODER_OUT", TensorProto.FLOAT, ["N", "L"])
    out_lens = helper.make_tensor_value_info("OUT_LENS", TensorProto.INT32, ["N"])
    nodes = [
        helper.make_node("Tanh", ["WAV"], ["ENCODER_OUT"]),
        helper.make_node("Identity", ["WAV_LENS"], ["OUT_LENS"]),
    ]
    graph = helper.make_graph(nodes, "tiny", [wav, lens], [out, out_lens])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    (tmp_path / "graphs").mkdir()
    return write_graph(tmp_path / "graphs" / "encoder.onnx")


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """On PATH, with a user's cache of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    shutil.copy(HERE / "recorder", folder / "trtexec")
    shutil.copy(HERE / "nvidia-smi", folder / "nvidia-smi")
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("RECORDER_LOG", str(folder / "asked.txt"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Recorder(folder)
