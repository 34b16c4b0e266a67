"""FunASR's exporter as a child, against the same classes exported by training's own code.

It needs a Python with funasr and what training needs: AURICLE_FUNASR_PYTHON names it.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import list_files
from auricle.build.families import Options
from auricle.build.upstream import Request, funasr
from auricle.build.upstream.funasr import FunAsr, make_environment
from auricle.errors import CheckpointError, ExportError
from tests.build.conftest import make_variant

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("AURICLE_FUNASR_PYTHON")
KINDS = ("paraformer", "sense-voice")


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def exported(funasr_checkpoints: Path, kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported")
    checkpoint = Checkpoint(funasr_checkpoints / kind, "org/name")
    request = Request(checkpoint, out, print, python=PYTHON, arguments=("--quantize",))
    return FunAsr(None).export(request).folder


def run(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    inputs = {
        "speech": rng.normal(0, 1, (2, 40, 560)).astype(np.float32),
        "speech_lengths": np.array([40, 25], np.int32),
        "language": np.array([3, 4], np.int32),
        "textnorm": np.array([14, 15], np.int32),
    }
    asked = {port.name: inputs[port.name] for port in session.get_inputs()}
    outputs = session.run(None, asked)
    names = [port.name for port in session.get_outputs()]
    return {"inputs": np.array(list(asked)), **dict(zip(names, outputs, strict=True))}


@pytest.mark.onnx
@pytest.mark.parametrize("graph", ["model.onnx", "model_quant.onnx"])
def test_the_graphs_are_those_of_funasrs_exporter(
    funasr_checkpoints: Path, kind: str, exported: Path, graph: str
) -> None:
    ours, theirs = run(exported / graph), run(funasr_checkpoints / kind / graph)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_array_equal(ours[name], values)


@pytest.mark.onnx
def test_what_is_built_with_them_lies_beside_them(
    funasr_checkpoints: Path, kind: str, exported: Path
) -> None:
    wanted = [name for name in list_files(funasr_checkpoints / kind) if name != "model.pt"]
    assert list_files(exported) == wanted


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("partial.pt", r"model\.pt has no weights for 1 of .*, the first is 'embed\.weight'"),
        ("other.pt", r"ended with status 1.*\n.*[Ss]ize"),
    ],
)
def test_weights_of_another_model_are_refused(
    funasr_checkpoints: Path, tmp_path: Path, weights: str, said: str
) -> None:
    folder, out = tmp_path / "checkpoint", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    for name in list_files(funasr_checkpoints / "sense-voice"):
        (folder / name).symlink_to(funasr_checkpoints / "sense-voice" / name)
    (folder / "model.pt").unlink()
    (folder / "model.pt").symlink_to(funasr_checkpoints / weights)
    with pytest.raises(ExportError, match=f"(?s){said}"):
        FunAsr(None).export(Request(Checkpoint(folder, "x"), out, print, python=PYTHON))


@pytest.mark.onnx
@pytest.mark.skipif(PYTHON is None, reason="AURICLE_FUNASR_PYTHON names no Python that has funasr")
@pytest.mark.parametrize(
    ("kind", "has_times", "takes_hotwords"),
    [("bicif", True, False), ("contextual", False, True), ("seaco", True, True)],
)
def test_every_kind_of_paraformer_is_exported_and_built(
    tmp_path: Path, kind: str, has_times: bool, takes_hotwords: bool
) -> None:
    folder, out = make_variant(str(PYTHON), kind, tmp_path / kind), tmp_path / "out"
    out.mkdir()
    checkpoint = FunAsr(None).export(Request(Checkpoint(folder, "x"), out, print, python=PYTHON))
    built = families.load("paraformer").build(checkpoint, Options())
    assert built.spec.has_timestamps == has_times
    assert (built.spec.hotwords is not None) == takes_hotwords


@pytest.mark.parametrize("name", ["model.pt", "config.yaml", "am.mvn"])
def test_a_checkpoint_that_lacks_a_file_is_refused(tmp_path: Path, name: str) -> None:
    for other in {"model.pt", "config.yaml", "am.mvn"} - {name}:
        (tmp_path / other).touch()
    with pytest.raises(CheckpointError, match=f"no {name} in the checkpoint"):
        FunAsr(None).export(Request(Checkpoint(tmp_path, "x"), tmp_path / "out", print))


def test_only_the_files_that_are_needed_are_fetched() -> None:
    names = [
        "am.mvn", "config.yaml", "configuration.json", "model.pt", "seg_dict", "tokens.json",
        "chn_jpn_yue_eng_ko_spectok.bpe.model",
    ]  # fmt: skip
    others = ["README.md", "example/zh.mp3", "fig/res.png", ".gitattributes", "model.py"]
    assert sorted(FunAsr(None).choose([*names, *others])) == sorted(names)


def test_an_environment_is_made_once_and_an_unfinished_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements, folder = tmp_path / "requirements.txt", tmp_path / "environment"
    monkeypatch.setattr(funasr, "REQUIREMENTS", requirements)
    requirements.write_text("# nothing\n")
    with monkeypatch.context() as broken:
        broken.setattr("sys.executable", "false")
        with pytest.raises(ExportError, match="venv ended with"):
            make_environment(folder, print)
    lines: list[str] = []
    python = make_environment(folder, lines.append)
    prefix = subprocess.check_output(
        [str(python), "-c", "import sys; print(sys.prefix)"], text=True
    )
    assert prefix.strip() == str(folder)
    assert lines[0].startswith(f"installing FunASR into {folder}, once")
    lines.clear()
    assert (make_environment(folder, lines.append), lines) == (python, [])


def test_its_versions_are_the_projects(tmp_path: Path) -> None:
    ours = (ROOT / "constraints.txt").read_text().splitlines()
    wanted = funasr.REQUIREMENTS.read_text().splitlines()
    assert [line for line in wanted if line not in ours and not line.startswith("#")] == []
