import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from auricle.cli import create_app
from auricle.cli.bench.graphs import find_subjects
from auricle.errors import AuricleError, CheckpointError, UnreachableError
from tests.build import bench_graphs
from tests.client.conftest import write_wav
from tests.live.stream_models import SPEC

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None,
    reason="matplotlib is not installed: pip install 'auricle[plot]'",
)


@pytest.fixture
def wav(tmp_path: Path) -> str:
    path = tmp_path / "one.wav"
    write_wav(path, 1600)
    return str(path)


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(create_app(), ["bench", *arguments])


def test_a_bench_needs_audio() -> None:
    result = bench()
    assert result.exit_code == 2
    assert "name some audio" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--seconds", "2-15", "two numbers, such as 2:15"),
        ("--seconds", "15:2", "two numbers, such as 2:15"),
        ("--concurrency", "1,many", "are lists of numbers"),
        ("--concurrency", "0", "are lists of numbers above 0"),
        ("--rate", "-1", "are lists of numbers above 0"),
        ("--rate", "fast", "are lists of numbers"),
        ("--streams", "many", "is a list of numbers"),
        ("--streams", "0", "is a list of numbers above 0"),
    ],
)
def test_a_wrong_option_says_what_is_right(
    wav: str, option: str, value: str, sentence: str
) -> None:
    kind = ["--streaming"] if option == "--streams" else []
    result = bench(wav, option, value, *kind)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", "").split())


@pytest.mark.parametrize("kind", [[], ["--streaming"]])
def test_no_server_is_a_sentence(wav: str, kind: list[str]) -> None:
    result = bench(wav, "--url", "localhost:1", *kind)
    assert isinstance(result.exception, UnreachableError)


def test_a_checkpoint_is_not_written_over_files(wav: str, tmp_path: Path) -> None:
    result = bench(wav, "--make-checkpoint", str(tmp_path))
    assert isinstance(result.exception, CheckpointError)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A graph that takes batches of 2 only."""
    return bench_graphs.save_bounded(tmp_path / "two.onnx", 2)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The folder of a streaming model."""
    folder = tmp_path / "hear" / "1"
    folder.mkdir(parents=True)
    bench_graphs.save_stream(folder / "encoder.onnx", 120, 2)
    replace(SPEC, sample_rate=16000).save(folder)
    return folder.parent


@pytest.mark.onnx
def test_graphs_alone_need_no_server_and_no_audio(graph: Path, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    result = bench("--graph", str(graph), "--graph", str(model), "--batch", "1,2", "--rounds", "3",
                   "--seconds", "0.1", "--json", str(path))  # fmt: skip
    assert result.exit_code == 0, result.output
    record = json.loads(path.read_text())
    rows = record["rows"]
    assert [(row["graph"], row["batch"], row["seconds"], len(row["rounds"])) for row in rows] == [
        ("two.onnx", 1, 0.1, 0), ("two.onnx", 2, 0.1, 3),
        ("hear", 1, 0.004, 3), ("hear", 2, 0.004, 3),
    ]  # fmt: skip
    assert rows[0]["failure"].startswith("Reshape: ")
    assert rows[3]["qps"] == pytest.approx(2000 / rows[3]["latency"]["mean_ms"])
    assert record["machine"]["packages"]["onnxruntime"]
    lines = result.stdout.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("| graph | on | batch |")
    assert "failed: Reshape: " in lines[2]


@pytest.mark.onnx
def test_a_graph_that_never_ran_is_exit_1(graph: Path, wav: str) -> None:
    result = bench(wav, "--graph", str(graph), "--batch", "1", "--seconds", "0.1")
    assert result.exit_code == 1
    assert "failed: Reshape: " in result.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--graph", "no.onnx"), "no graph no.onnx"),
        (("--graph", "{}", "--batch", "many"), "--batch is a list of numbers"),
        (("--graph", "{}", "--batch", "0"), "--batch is a list of numbers above 0"),
        (("--graph", "{}", "--seconds", "2:15"), "with --graph one number above 0"),
        (("--graph", "{}", "--plot", "a.gif"), "a.gif ends in none of .pdf, .png, .svg"),
        (("--graph", "{}", "--provider", "tensorrt"), "--provider tensorrt times a plan"),
    ],
)
def test_a_wrong_option_of_graphs_says_what_is_right(
    graph: Path, options: tuple[str, ...], sentence: str
) -> None:
    result = bench(*(option.format(graph) for option in options))
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", "").split())


def test_a_model_of_another_rate_wants_audio_named(model: Path) -> None:
    SPEC.save(model / "1")
    result = bench("--graph", str(model))
    assert result.exit_code == 2
    assert "name some audio" in result.stderr


def test_a_folder_without_an_encoder_says_so(model: Path) -> None:
    (model / "1" / "encoder.onnx").unlink()
    result = bench("--graph", str(model))
    assert result.exit_code == 2
    assert "no encoder.onnx; name the graph" in " ".join(result.stderr.replace("│", "").split())


def test_a_plan_needs_trtexec(tmp_path: Path, graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    plan = graph.with_suffix(".plan")
    plan.touch()
    for arguments in (("--graph", str(plan)), ("--graph", str(graph), "--provider", "tensorrt")):
        result = bench(*arguments)
        assert isinstance(result.exception, AuricleError)
        assert "inside the Triton image" in str(result.exception)


@pytest.mark.onnx
@needs_matplotlib
def test_a_plot_has_a_line_for_each_graph(graph: Path, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "qps.svg"
    result = bench("--graph", str(graph), "--graph", str(model), "--batch", "1,2", "--rounds", "1",
                   "--seconds", "0.1", "--plot", str(path))  # fmt: skip
    assert result.exit_code == 0, result.output
    words = path.read_text()
    assert "<!-- two.onnx, cpu -->" in words
    assert "<!-- hear, cpu -->" in words


def test_two_graphs_of_one_name_are_told_apart(graph: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    again = bench_graphs.save_any(other / graph.name)
    names = [one.name for one in find_subjects([graph, again])]
    assert names == [str(graph), str(again)]
