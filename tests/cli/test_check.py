import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner, Result

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options
from auricle.build.repository.populate import Deployment, populate
from auricle.cli import create_app
from auricle.cli.check import find_versions
from tests.build import tiny_streaming

VALUE = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(create_app(), ["check", *arguments])


def write(path: Path, op_type: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])
    node = helper.make_node(op_type, ["x"], ["y"], name="node")
    graph = helper.make_graph([node], "graph", [VALUE], [output])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
              path)  # fmt: skip
    return str(path)


def test_the_exit_code_says_whether_all_would_parse(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.onnx", "Abs"), write(tmp_path / "bad.onnx", "Det")
    assert run("--tensorrt", good).exit_code == 0
    result = run("--tensorrt", good, bad)
    assert result.exit_code == 1
    assert "bad.onnx: ERROR    node (Det): the parser does not import it" in result.stdout
    assert "good.onnx: would parse with TensorRT 10.16: yes; TensorRT 11.0: yes" in result.stdout


def test_json_says_the_same(tmp_path: Path) -> None:
    result = run("--tensorrt", "--json", "--version", "10.5", write(tmp_path / "bad.onnx", "Det"))
    (report,) = json.loads(result.stdout)
    assert report["tensorrt"]["10.5"]["would_parse"] is False
    assert report["tensorrt"]["10.5"]["findings"][0]["operator"] == "Det"


def test_a_folder_is_its_graphs(tmp_path: Path) -> None:
    write(tmp_path / "model" / "1" / "encoder.onnx", "Abs")
    write(tmp_path / "model" / "1" / "joiner.onnx", "Abs")
    stdout = run("--tensorrt", str(tmp_path / "model")).stdout
    assert stdout.count("would parse") == 2


def test_a_folder_without_graphs_is_an_error(tmp_path: Path) -> None:
    assert "no ONNX graph in" in str(run("--tensorrt", str(tmp_path)).exception)


def test_shapes_are_those_of_trtexec(tmp_path: Path) -> None:
    graph = write(tmp_path / "good.onnx", "Abs")
    shapes = ["--min-shapes", "x:1x8", "--opt-shapes", "x:4x8", "--max-shapes", "x:8x8"]
    assert "warning" not in run("--tensorrt", graph, *shapes).stdout
    assert run("--tensorrt", graph, "--min-shapes", "x:1x8").exit_code == 2


def test_a_model_s_family_says_how_long_its_inputs_are(tmp_path: Path) -> None:
    folder = tiny_streaming.write_transducer(tmp_path / "checkpoint")
    family = families.load("icefall_transducer")
    built = family.build(Checkpoint(folder, str(folder)), Options(streaming=True))
    populate(built, "live", tmp_path / "repository", Deployment())
    result = run("--tensorrt", str(tmp_path / "repository" / "live"))
    assert result.exit_code == 0
    assert result.stdout.count("would parse") == 3
    assert "profile" not in result.stdout


def test_something_must_be_checked_for(tmp_path: Path) -> None:
    assert run(write(tmp_path / "good.onnx", "Abs")).exit_code == 2


@pytest.mark.parametrize(
    ("given", "tag", "versions"),
    [([], None, [(10, 16), (11, 0)]), (["10.5"], None, [(10, 5)]), ([], "24.10", [(10, 5)])],
)
def test_versions_are_those_of_images(
    given: list[str], tag: str | None, versions: list[tuple[int, int]]
) -> None:
    assert find_versions(given, tag) == versions


@pytest.mark.parametrize("option", [["--version", "8.6"], ["--triton-tag", "20.01"]])
def test_other_versions_are_refused(option: list[str], tmp_path: Path) -> None:
    assert run("--tensorrt", *option, write(tmp_path / "good.onnx", "Abs")).exit_code == 2
