"""The commands, by a trtexec that records what it is asked and runs the graph for the plan."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from auricle.build.repository import config
from auricle.spec.plan import load_plan
from tests.build import tiny
from tests.build.tensorrt.conftest import HERE, Recorder, wait_for

pytestmark = pytest.mark.onnx


@pytest.fixture(autouse=True)
def runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDER_RUNNER", f"{sys.executable} {HERE / 'run_graph.py'}")


def auricle(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    code = "from auricle.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny.write_transducer(tmp_path / "checkpoint")


def test_a_graph_becomes_a_plan_that_agrees(
    graph: Path, tmp_path: Path, recorder: Recorder
) -> None:
    plan = tmp_path / "out" / "model.plan"
    ranges = ("--seconds", "0.1,4,10", "--seconds", "10,20,39")
    answer = auricle("tensorrt", "build", graph, "--output", plan, *ranges, "--workspace", "4G")
    assert answer.returncode == 0, answer.stderr
    assert "plan      to the graph in 4 batches: ENCODER_OUT" in answer.stdout
    assert f"written   {plan} (TensorRT 10.16.0, NVIDIA H200)" in answer.stdout
    assert "TensorRT 10.16.0 in this machine, NVIDIA H200, compute capability 9.0" in answer.stderr
    steps = ["reading the graph", "choosing kernels", "built", "writing the plan"]
    assert all(step in answer.stderr for step in steps)
    assert len(load_plan(plan.with_name("plan.json")).profiles) == 2
    assert "--memPoolSize=workspace:4G" in recorder.asked
    assert [flag for flag in recorder.asked if flag.startswith("--useProfile")] == [
        "--useProfile=0", "--useProfile=0", "--useProfile=1", "--useProfile=1",
    ]  # fmt: skip


def test_the_whole_log_is_there_for_who_asks(
    graph: Path, tmp_path: Path, recorder: Recorder
) -> None:
    answer = auricle("tensorrt", "build", graph, "--output", tmp_path / "p", "--verbose")
    assert "&&&& RUNNING TensorRT.trtexec" in answer.stderr


def test_a_plan_that_strays_is_not_kept(graph: Path, tmp_path: Path, recorder: Recorder) -> None:
    plan = tmp_path / "out" / "model.plan"
    answer = auricle("tensorrt", "build", graph, "--output", plan, RUN_GRAPH_FACTOR="1.2")
    assert answer.returncode == 1
    assert "NOT within" in answer.stdout
    assert "the plan is wrong on this GPU and was not kept" in answer.stderr
    assert list(plan.parent.iterdir()) == []


def test_a_model_is_built_with_its_plan(
    checkpoint: Path, tmp_path: Path, recorder: Recorder
) -> None:
    repo = tmp_path / "models"
    answer = auricle(
        "build", "icefall-transducer", "--from", checkpoint, "--name", "demo", "--repo", repo,
        "--backend", "tensorrt", "--batch", "1,4,16", "--cuda-graphs", "--gpus", "0",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    version = repo / "demo__encoder" / "1"
    assert {path.name for path in version.iterdir()} == {"model.plan", "model.onnx", "plan.json"}
    value = config.parse((repo / "demo__encoder" / "config.pbtxt").read_text())
    assert (value.backend, list(value.instance_group[0].gpus)) == ("tensorrt", [0])
    assert value.optimization.cuda.graphs
    record = load_plan(version / "plan.json")
    assert record.profiles[0]["WAV"] == [[1, 1600], [4, 128000], [16, 624000]]
    graph, plan = (version / name for name in ("model.onnx", "model.plan"))
    assert graph.read_bytes() == plan.read_bytes(), "the recorder's plan is the graph"
    assert record.graph_sha256 == record.plan_sha256


def test_a_model_whose_plan_strays_is_served_by_its_graph(
    checkpoint: Path, tmp_path: Path, recorder: Recorder
) -> None:
    repo = tmp_path / "models"
    answer = auricle(
        "build", "icefall-transducer", "--from", checkpoint, "--name", "demo", "--repo", repo,
        "--backend", "tensorrt", RUN_GRAPH_FACTOR="1.2",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "the plan is wrong on this GPU and is not kept" in answer.stdout
    folder = repo / "demo__encoder"
    assert {path.name for path in (folder / "1").iterdir()} == {"model.onnx"}
    assert not (folder / "configs").exists()
    value = config.parse((folder / "config.pbtxt").read_text())
    assert value.backend == "onnxruntime"
    assert value.optimization.execution_accelerators.gpu_execution_accelerator[0].name == "cuda"


def test_a_failed_plan_writes_no_model(
    checkpoint: Path, tmp_path: Path, recorder: Recorder
) -> None:
    repo = tmp_path / "models"
    answer = auricle(
        "build", "icefall-transducer", "--from", checkpoint, "--name", "demo", "--repo", repo,
        "--backend", "tensorrt", RECORDER_EXIT="1",
    )  # fmt: skip
    assert answer.returncode == 1
    assert "auricle: trtexec built no plan, exit code 1" in answer.stderr
    assert not repo.exists() or list(repo.iterdir()) == []


def test_an_interrupted_plan_writes_no_model(
    checkpoint: Path, tmp_path: Path, recorder: Recorder
) -> None:
    repo = tmp_path / "models"
    code = "from auricle.cli import main; main()"
    process = subprocess.Popen(
        [
            sys.executable, "-c", code, "build", "icefall-transducer", "--from", str(checkpoint),
            "--name", "demo", "--repo", str(repo), "--backend", "tensorrt",
        ],
        env={**os.environ, "RECORDER_SLEEP": "60"}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for(lambda: recorder.asked != [])
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert not repo.exists() or list(repo.iterdir()) == []


def test_a_model_for_a_gpu_needs_none_to_be_built(checkpoint: Path, tmp_path: Path) -> None:
    repo = tmp_path / "models"
    answer = auricle(
        "build", "icefall-transducer", "--from", checkpoint, "--name", "demo", "--repo", repo,
        "--target", "gpu", "--gpus", "0", "--gpus", "1", "--bucket-seconds", "1.5",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    text = (repo / "demo" / "config.pbtxt").read_text()
    (group,) = config.parse(text).instance_group
    assert (group.kind, list(group.gpus)) == (1, [0, 1])
    assert 'string_value: "1.5"' in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--cuda-graphs"], "add --target gpu"),
        (["--backend", "tensorrt", "--seconds", "1,2"], "give three numbers"),
        (["--backend", "tensorrt", "--batch", "4,2,1"], "axis N is 4, 2, 1"),
        (["--backend", "tensorrt", "--bucket-seconds", "0"], "takes no audio below 0.1 s"),
        (["--backend", "tensorrt", "--seconds", "5,8,9"], "takes no audio below 5 s"),
    ],
)
def test_what_makes_no_sense_is_refused(
    checkpoint: Path, tmp_path: Path, recorder: Recorder, arguments: list[str], sentence: str
) -> None:
    answer = auricle(
        "build", "icefall-transducer", "--from", checkpoint, "--name", "demo",
        "--repo", tmp_path / "models", *arguments,
    )  # fmt: skip
    assert answer.returncode in {1, 2}
    assert sentence in " ".join(answer.stderr.replace("│", " ").split())
    assert recorder.asked == []


def test_a_flag_unknown_to_the_tag_is_refused_before_docker_is_asked(
    graph: Path, tmp_path: Path
) -> None:
    answer = auricle(
        "tensorrt", "build", graph, "--output", tmp_path / "p", "--triton-tag", "26.09",
        "--trtexec=--restricted", PATH="/nowhere", DOCKER_HOST="unix:///nowhere",
    )  # fmt: skip
    assert answer.returncode == 1
    assert "TensorRT 11 does not know --restricted" in answer.stderr


def test_without_docker_there_is_advice(graph: Path, tmp_path: Path) -> None:
    answer = auricle(
        "tensorrt", "build", graph, "--output", tmp_path / "p", PATH="/nowhere",
        DOCKER_HOST="unix:///nowhere",
    )  # fmt: skip
    assert answer.returncode == 1
    assert "no Docker engine answers" in answer.stderr


def test_an_image_says_which_it_is(graph: Path, tmp_path: Path, recorder: Recorder) -> None:
    arguments = ("tensorrt", "build", graph, "--output", tmp_path / "p", "--no-compare")
    answer = auricle(*arguments, NVIDIA_TRITON_SERVER_VERSION="26.05")
    assert answer.returncode == 0, answer.stderr
    assert load_plan(tmp_path / "plan.json").triton_tag == "26.05"


def test_a_record_is_json_for_everyone(graph: Path, tmp_path: Path, recorder: Recorder) -> None:
    auricle("tensorrt", "build", graph, "--output", tmp_path / "p", "--no-compare")
    record = json.loads((tmp_path / "plan.json").read_text())
    assert record["version"] == 1
    assert record["profiles"][0]["WAV"] == [[1, 1600], [8, 128000], [32, 624000]]
