"""The answers are recorded from Docker 26.1.5 and, where said, from the documentation of others."""

import json
from pathlib import Path

import pytest

from auricle.doctor import containers
from auricle.doctor.containers import Docker, Engine
from auricle.doctor.finding import Level
from auricle.doctor.shell import Answer

HANGS = Answer(None, "", "no answer within 4 s")
NO_DAEMON = Answer(
    1,
    '{"Client":{"Version":"28.2.2"},"Server":null}\n',
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
    "Is the docker daemon running?\n",
)
NO_RIGHTS = Answer(
    1,
    '{"Client":{"Version":"26.1.5"},"Server":null}\n',
    "permission denied while trying to connect to the Docker daemon socket at "
    'unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.45/version": dial unix '
    "/var/run/docker.sock: connect: permission denied\n",
)
NO_COMPOSE = Answer(1, "", "docker: 'compose' is not a docker command.\nSee 'docker --help'\n")
INFO = json.dumps(
    {
        "DockerRootDir": "/var/lib/docker",
        "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}},
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
    }
)


def engine(version: str) -> Answer:
    return Answer(0, json.dumps({"Client": {}, "Server": {"Version": version}}), "")


@pytest.mark.parametrize(
    ("answer", "level", "advice"),
    [
        (None, Level.FAIL, "install Docker Engine"),
        (HANGS, Level.FAIL, "systemctl restart docker"),
        (NO_DAEMON, Level.FAIL, "systemctl start docker"),
        (NO_RIGHTS, Level.FAIL, "usermod -aG docker"),
        (engine("20.10.24+dfsg1"), Level.FAIL, "install Docker Engine"),
        (Answer(0, '{"Client":{"Version":"4.3.1"}}', ""), Level.FAIL, "install Docker Engine"),
        (engine("24.0.9"), Level.FAIL, "install Docker Engine"),
        (engine("25.0.0"), Level.OK, ""),
        (engine("26.1.5+dfsg1"), Level.OK, ""),
    ],
)
def test_the_engine_answers_and_is_new_enough(
    answer: Answer | None, level: Level, advice: str
) -> None:
    finding = containers.check_engine(answer)
    assert finding.level is level
    assert advice in finding.advice


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (None, Level.FAIL),
        (NO_COMPOSE, Level.FAIL),
        (Answer(0, "1.29.2\n", ""), Level.FAIL),
        (Answer(0, "v2.19.1\n", ""), Level.FAIL),
        (Answer(0, "v2.20.0\n", ""), Level.OK),
        (Answer(0, "2.26.1-4\n", ""), Level.OK),
    ],
)
def test_compose_is_new_enough(answer: Answer | None, level: Level) -> None:
    assert containers.check_compose(answer).level is level


def test_serving_does_without_buildx() -> None:
    assert containers.check_buildx(NO_COMPOSE).level is Level.WARN
    found = Answer(
        0, "github.com/docker/buildx v0.13.1 788433953af10f2a698f5c07611dddce2e08c7a0", ""
    )
    assert containers.check_buildx(found).found == "0.13.1"


def test_an_engine_describes_itself() -> None:
    assert containers.parse_engine(INFO) == Engine(
        root=Path("/var/lib/docker"),
        runtimes=("io.containerd.runc.v2", "runc"),
        security=("name=seccomp,profile=builtin", "name=cgroupns"),
        devices=(),
    )


@pytest.mark.parametrize("option", ["name=rootless", "name=userns"])
def test_users_that_differ_inside_are_noted(option: str) -> None:
    shifted = Engine(Path("/"), (), ("name=seccomp,profile=builtin", option), ())
    finding = containers.check_users(shifted)
    assert finding.level is Level.WARN
    assert option.removeprefix("name=") in finding.found


def test_the_disk_of_an_engine_elsewhere_is_not_looked_at(tmp_path: Path) -> None:
    away = Engine(tmp_path / "absent", (), (), ())
    assert containers.check_root(away, 1 << 60).level is Level.OK
    assert containers.check_root(Engine(tmp_path, (), (), ()), 1 << 60).level is Level.WARN


def test_no_docker_is_said_once() -> None:
    assert len(containers.examine(Docker(None, None, None, None))) == 1
