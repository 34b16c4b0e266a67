"""A checkpoint becomes a repository in a container, and a mounted repository wins over the demo."""

import os
from pathlib import Path

import pytest

from tests.docker.conftest import StartProject
from tests.docker.project import Project

pytestmark = pytest.mark.docker
CALLER = 1234


@pytest.fixture
def repository(images: None, tmp_path: Path) -> Path:
    """Written by the build service from the shipped checkpoint, in a folder of the caller's."""
    folder = tmp_path / "models"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, CALLER, CALLER)
    Project(variables={"AURICLE_OFFLINE_REPO": str(folder)}).compose(
        "run", "--rm", "--no-TTY", "build", "icefall-transducer",
        "--from", "/checkpoints/icefall-transducer", "--name", "mine",
    )  # fmt: skip
    return folder


def test_what_it_writes_is_the_callers(repository: Path) -> None:
    files = [path for path in repository.rglob("*") if path.is_file()]
    assert {"config.pbtxt", "pipeline.json", "encoder.onnx"} <= {path.name for path in files}
    owner = repository.stat().st_uid
    assert {path.stat().st_uid for path in files} == {owner}


def test_a_mounted_repository_wins(repository: Path, start_project: StartProject) -> None:
    project = start_project(variables={"AURICLE_OFFLINE_REPO": str(repository)})
    (server,) = project.containers()
    _, said = server.exec_run(["auricle", "health"])
    assert [line.split(":")[0] for line in said.decode().splitlines()] == ["mine"]


def test_a_stream_is_heard_beside_the_demo(start_project: StartProject, results: Path) -> None:
    project = start_project(variables={"AURICLE_RESULTS": str(results)})
    project.compose(
        "run", "--rm", "--no-TTY", "build", "icefall-transducer",
        "--from", "/checkpoints/icefall-streaming", "--name", "live", "--repo", "/models/streaming",
    )  # fmt: skip
    project.compose("restart", "server")
    answer = project.compose(
        "run", "--rm", "--no-TTY", "client", "stream", "/data/heldout-0020.wav",
        "--model-name", "live", "--second-pass", "demo",
    )  # fmt: skip
    assert answer.stdout == "heldout-0020 eleven purple up\n"
