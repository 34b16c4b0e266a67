"""Images, built once a session as users build them, and projects that end with their test."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docker.project import BALANCED, Project

StartProject = Callable[..., Project]


@pytest.fixture(scope="session")
def engine() -> None:
    answer = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        capture_output=True, text=True, check=False,
    ) if shutil.which("docker") else None  # fmt: skip
    if answer is None or answer.returncode != 0:
        pytest.skip(f"no Docker engine: {answer.stderr.strip() if answer else 'no docker command'}")


@pytest.fixture(scope="session")
def images(engine: None) -> None:
    """All that are built from slim images, under names of the tests."""
    Project((BALANCED,)).compose("--profile", "*", "build")


@pytest.fixture
def start_project(images: None) -> Iterator[StartProject]:
    """start_project(files=..., variables=...) -> a Project that is up and healthy."""
    projects: list[Project] = []

    def start(**options: object) -> Project:
        project = Project(**options)  # type: ignore[arg-type]  # those of Project
        projects.append(project)
        project.compose("up", "--detach", "--wait")
        return project

    yield start
    for project in projects:
        project.down()


@pytest.fixture(scope="module")
def demo_project(images: None) -> Iterator[Project]:
    """The demo as `docker compose up` serves it, for tests that leave it as it was."""
    project = Project()
    try:
        project.compose("up", "--detach", "--wait")
        yield project
    finally:
        project.down()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder
