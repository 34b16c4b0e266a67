"""`auricle build --wer-set`: a reduced model is written only if it hears well enough."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnxruntime.transformers.float16 import convert_float_to_float16
from typer.testing import CliRunner, Result

from auricle.build.checkpoint import Checkpoint, hub
from auricle.build.checkpoint.files import list_files
from auricle.build.export.graph import load_graph
from auricle.build.export.precision import quantize
from auricle.cli import create_app
from auricle.errors import AccuracyError, CheckpointError, ManifestError
from tests.gate.conftest import CTC, SPEECH, ruin

pytestmark = pytest.mark.onnx


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The demo's CTC model with int8 files of its own beside."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(CTC, folder)
    onnx.save(quantize(load_graph(CTC / "model.onnx")).model, folder / "model.int8.onnx")
    return folder


def build(folder: Path, *arguments: str | Path) -> Result:
    repo = folder.parent / "repo"
    fixed = ["build", "icefall-ctc", "--from", folder, "--name", "a", "--repo", repo]
    return CliRunner().invoke(create_app(), list(map(str, [*fixed, *arguments])))


@pytest.mark.usefixtures("small_sets")
def test_what_is_made_of_fp32_files_and_hears_as_well_is_written(checkpoint: Path) -> None:
    (checkpoint / "model.int8.onnx").unlink()
    result = build(checkpoint, "--precision", "int8", "--wer-set", SPEECH)
    assert result.exit_code == 0, result.output
    assert "accuracy  int8 changes WER by " in result.stdout
    written = checkpoint.parent / "repo" / "a"
    assert result.stdout.splitlines()[-1] == f"written   {written}"
    assert load_graph(written / "1" / "encoder.onnx").precision == "int8"


@pytest.mark.usefixtures("small_sets")
def test_a_download_brings_the_fp32_files_too(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(source: object, choose: Callable[[list[str]], list[str]], lock: Path) -> Checkpoint:
        asked.extend(choose(list_files(checkpoint)))
        return Checkpoint(checkpoint, "somebody/something")

    monkeypatch.setattr(hub, "fetch", fetch)
    arguments = ["build", "icefall-ctc", "--name", "a", "--repo", str(checkpoint.parent / "repo")]
    wanted = ["--precision", "int8", "--wer-set", str(SPEECH)]
    result = CliRunner().invoke(create_app(), [*arguments, *wanted])
    assert result.exit_code == 0, result.output
    assert asked == ["model.int8.onnx", "tokens.txt", "model.onnx"]


@pytest.mark.usefixtures("small_sets")
def test_float16_is_judged_too(checkpoint: Path) -> None:
    model = convert_float_to_float16(onnx.load(checkpoint / "model.onnx"))
    onnx.save(model, checkpoint / "model.fp16.onnx")
    result = build(checkpoint, "--precision", "fp16", "--wer-set", SPEECH)
    assert "accuracy  fp16 changes WER by " in result.stdout


@pytest.mark.usefixtures("small_sets")
def test_float16_is_made_and_judged_with_its_largest_difference(checkpoint: Path) -> None:
    result = build(checkpoint, "--precision", "fp16", "--wer-set", SPEECH)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("accuracy")]
    assert rows[0][-1] == "difference"
    assert 0 < float(rows[2][-1]) < 0.2
    assert rows[1][1:4] == ["a", "test_wavs", "fp32"]


@pytest.mark.usefixtures("small_sets")
def test_int8_of_fixed_ranges_is_made_of_real_speech(checkpoint: Path) -> None:
    wanted = ["--precision", "int8", "--quantization", "qdq", "--calibration", str(SPEECH)]
    (checkpoint / "model.int8.onnx").unlink()
    result = build(checkpoint, *wanted, "--wer-set", SPEECH)
    assert result.exit_code == 0, result.output
    graph = onnx.load(checkpoint.parent / "repo" / "a" / "1" / "encoder.onnx").graph
    kinds = Counter(node.op_type for node in graph.node)
    assert kinds["QuantizeLinear"] > 30
    assert kinds["DynamicQuantizeLinear"] == kinds["MatMulInteger"] == 0
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    points = [constants[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert not any(point.any() for point in points)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["--precision", "fp16", "--quantization", "qdq"], "add --precision int8"),
        (["--precision", "int8", "--quantization", "qdq"], "with --calibration"),
        (["--precision", "int8", "--calibration", "."], "for --quantization qdq"),
    ],
)
def test_options_of_int8_go_together(checkpoint: Path, wanted: list[str], said: str) -> None:
    result = build(checkpoint, *wanted)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


@pytest.mark.usefixtures("small_sets")
def test_a_ruined_model_is_refused_and_nothing_is_written(checkpoint: Path) -> None:
    ruin(checkpoint / "model.int8.onnx")
    result = build(checkpoint, "--precision", "int8", "--wer-set", SPEECH)
    assert isinstance(result.exception, AccuracyError)
    assert "(--max-wer-rise), so nothing was written" in str(result.exception)
    assert " fp32 " in result.stdout
    assert not (checkpoint.parent / "repo").exists()


@pytest.mark.usefixtures("small_sets")
def test_a_wider_bound_lets_it_pass(checkpoint: Path) -> None:
    ruin(checkpoint / "model.int8.onnx")
    result = build(checkpoint, "--precision", "int8", "--wer-set", SPEECH, "--max-wer-rise", "1000")
    assert result.exit_code == 0, result.output


def test_a_small_set_is_refused_before_anything_is_built(checkpoint: Path) -> None:
    result = build(checkpoint, "--precision", "int8", "--wer-set", SPEECH)
    assert isinstance(result.exception, ManifestError)
    assert not result.stdout


@pytest.mark.usefixtures("small_sets")
def test_without_fp32_files_there_is_nothing_to_compare_with(checkpoint: Path) -> None:
    (checkpoint / "model.onnx").unlink()
    result = build(checkpoint, "--precision", "int8", "--wer-set", SPEECH)
    assert isinstance(result.exception, CheckpointError)
    assert str(result.exception).startswith("--wer-set compares with the fp32 model: no fp32 ")
    assert not (checkpoint.parent / "repo").exists()


def test_a_set_without_a_reduced_precision_is_a_usage_error(checkpoint: Path) -> None:
    result = build(checkpoint, "--wer-set", SPEECH)
    assert result.exit_code == 2
    assert "add --precision int8" in " ".join(result.stderr.split())


def test_a_bound_without_a_set_is_a_usage_error(checkpoint: Path) -> None:
    result = build(checkpoint, "--precision", "int8", "--max-wer-rise", "1")
    assert result.exit_code == 2
    assert "give it with --wer-set" in " ".join(result.stderr.split())
