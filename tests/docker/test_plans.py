"""Plans by a real engine, in an image whose trtexec is a recorder.

The image has the name of a Triton image that will never be, so that nothing is ever pulled for it.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from auricle.build.export.graph import load_graph
from auricle.build.tensorrt.builder import Builder, Workspace
from auricle.build.tensorrt.container import open_container
from auricle.build.tensorrt.flags import PlanOptions
from auricle.build.tensorrt.plan import PlanRequest, build_plan
from auricle.build.tensorrt.shapes import profiles_of
from auricle.errors import PlanError
from auricle.spec.plan import PlanRecord, load_plan
from tests.build.tensorrt.conftest import HERE, write_graph

pytestmark = [pytest.mark.docker, pytest.mark.onnx]

DOCKERFILE = """
FROM python:3.11-slim
COPY nvidia-smi /usr/bin/
COPY recorder /usr/src/tensorrt/bin/trtexec
ENV {environment}
"""
OURS = {"label": "auricle=tensorrt"}
VARIANTS = {
    "10": "RECORDER_VERSION=101600",
    "11": "RECORDER_VERSION=110100",
    "failing": "RECORDER_EXIT=3",
    "slow": "RECORDER_SLEEP=100",
    "without-gpu": "RECORDER_NO_GPU=1",
}
PLAIN = PlanOptions()
# As `auricle tensorrt build` does it, but without a GPU for Docker to look for.
INTERRUPTED = """
import sys
from pathlib import Path
from auricle.server.signals import ended_by_signals
from tests.docker.test_plans import build
with ended_by_signals():
    build("slow", Path(sys.argv[1]), Path(sys.argv[2]))
"""


def tag(variant: str) -> str:
    return f"recorder-{variant}"


@pytest.fixture(scope="module", autouse=True)
def recorders(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    client = docker.from_env()
    names = []
    for variant, environment in VARIANTS.items():
        folder = tmp_path_factory.mktemp(variant)
        for name in ("recorder", "nvidia-smi"):
            shutil.copy(HERE / name, folder / name)
        (folder / "Dockerfile").write_text(DOCKERFILE.format(environment=environment))
        names.append(f"nvcr.io/nvidia/tritonserver:{tag(variant)}-py3")
        client.images.build(path=str(folder), tag=names[-1], rm=True, forcerm=True)
    yield
    for name in names:
        client.images.remove(name, force=True)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    (tmp_path / "graphs").mkdir()
    return write_graph(tmp_path / "graphs" / "encoder.onnx")


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "plans" / "model.plan"


def build(
    variant: str, graph: Path, output: Path, lines: list[str] | None = None,
    options: PlanOptions = PLAIN,
) -> PlanRecord:  # fmt: skip
    def open_builder(workspace: Workspace) -> Builder:
        return open_container(tag(variant), None, workspace, print)

    profiles = profiles_of(load_graph(graph).inputs, (1, 2, 4), [(1600, 16000, 160000)])
    request = PlanRequest(graph, output, profiles, "fp32", options, tag(variant))
    return build_plan(request, open_builder, (lines if lines is not None else []).append)


def ours() -> list[Container]:
    return list(docker.from_env().containers.list(all=True, filters=OURS))


def left(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir())


def wait_until_it_builds(output: Path) -> Container:
    deadline = time.monotonic() + 60
    while not any(output.parent.glob(".*/model.plan")):
        assert time.monotonic() < deadline, "no container began to build"
        time.sleep(0.1)
    (container,) = ours()
    return container


@pytest.mark.parametrize(("variant", "version"), [("10", "10.16.0"), ("11", "11.1.0")])
def test_a_container_builds_a_plan(variant: str, version: str, graph: Path, output: Path) -> None:
    lines: list[str] = []
    record = build(variant, graph, output, lines)
    assert (record.tensorrt, record.gpu) == (version, "NVIDIA H200")
    assert record.command[:3] == [
        "/usr/src/tensorrt/bin/trtexec",
        "--onnx=/graphs/encoder.onnx",
        "--saveEngine=/draft/model.plan",
    ]
    assert ("--stronglyTyped" in record.command) == (variant == "10")
    told = next(line for line in lines if "RUNNING" in line)
    assert told.endswith("# trtexec " + " ".join(record.command[1:]))
    assert left(output) == ["model.plan", "plan.json"]
    assert load_plan(output.with_name("plan.json")) == record
    assert output.read_bytes() == graph.read_bytes()
    assert {path.stat().st_uid for path in output.parent.iterdir()} == {os.getuid()}
    assert ours() == []


def test_only_the_draft_can_be_written(graph: Path, tmp_path: Path) -> None:
    workspace = Workspace(graph.parent, tmp_path)
    builder = open_container(tag("10"), None, workspace, print)
    lines: list[str] = []
    for folder, exit_code in (("/graphs", 1), ("/draft", 0), ("/usr", 1 if os.getuid() else 0)):
        outcome = builder.run(["/bin/sh", "-c", f"touch {folder}/file"], lines.append)
        assert (folder, outcome.exit_code) == (folder, exit_code)
    assert "Read-only file system" in "\n".join(lines)
    assert builder.run(["/bin/sh", "-c", "ls /sys/class/net"], lines.append).lines == ("lo",)


def test_a_failure_shows_the_log_and_leaves_nothing(graph: Path, output: Path) -> None:
    with pytest.raises(PlanError, match=r"exit code 3; its last lines:(.|\n)*Skipping tactic"):
        build("failing", graph, output)
    assert left(output) == []
    assert ours() == []


def test_a_log_is_told_while_it_grows(graph: Path, output: Path) -> None:
    seen: list[str] = []
    thread = threading.Thread(target=_build_quietly, args=(graph, output, seen))
    thread.start()
    container = wait_until_it_builds(output)
    deadline = time.monotonic() + 10
    while not any("Finished parsing" in line for line in seen):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert thread.is_alive()
    container.kill()
    thread.join(30)


def _build_quietly(graph: Path, output: Path, seen: list[str]) -> None:
    try:
        build("slow", graph, output, seen)
    except PlanError as error:
        seen.append(str(error))


def test_a_killed_container_leaves_nothing(graph: Path, output: Path) -> None:
    seen: list[str] = []
    thread = threading.Thread(target=_build_quietly, args=(graph, output, seen))
    thread.start()
    wait_until_it_builds(output).kill()
    thread.join(30)
    assert "it was killed" in seen[-1]
    assert left(output) == []
    assert ours() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_container_and_leaves_nothing(
    graph: Path, output: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(graph), str(output)]
    process = subprocess.Popen(command)
    wait_until_it_builds(output)
    process.send_signal(number)
    assert process.wait(30) == 0
    assert left(output) == []
    assert ours() == []


def test_an_image_without_a_gpu_is_told_apart(graph: Path, output: Path) -> None:
    with pytest.raises(PlanError, match=r"no GPU in nvcr\.io/nvidia/tritonserver:recorder-without"):
        build("without-gpu", graph, output)


def test_an_image_that_cannot_be_pulled_is_a_sentence(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"cannot pull nvcr\.io/.*:recorder-none-py3.*--triton-tag"):
        open_container("recorder-none", None, Workspace(graph.parent, tmp_path), print)


def test_a_command_that_the_image_lacks_is_an_answer(graph: Path, tmp_path: Path) -> None:
    builder = open_container(tag("10"), None, Workspace(graph.parent, tmp_path), print)
    assert builder.run(["/nowhere/trtexec", "--help"], print).exit_code == 127


def test_docker_is_asked_for_one_gpu(graph: Path, tmp_path: Path) -> None:
    builder = open_container(tag("10"), "3", Workspace(graph.parent, tmp_path), print)
    with builder._container(["/usr/bin/nvidia-smi"]) as container:
        container.reload()
        (asked,) = container.attrs["HostConfig"]["DeviceRequests"]
    assert (asked["DeviceIDs"], asked["Capabilities"]) == (["3"], [["gpu"]])
    assert ours() == []


def test_an_engine_without_gpus_is_a_sentence(graph: Path, tmp_path: Path) -> None:
    builder = open_container(tag("10"), "0", Workspace(graph.parent, tmp_path), print)
    try:
        builder.run(["/usr/bin/nvidia-smi"], print)
    except PlanError as error:
        said = str(error)
    else:
        pytest.skip("this engine starts containers that ask for a GPU")
    assert "Docker has no way to the GPU" in said
    assert "`auricle doctor --gpu`" in said
    assert ours() == []
