"""The server's container as `docker compose up` makes it."""

import json
from pathlib import Path

import pytest
from docker.models.containers import Container

from auricle.client import Client, Patience
from auricle.errors import UnreachableError
from auricle.server.http import Endpoint
from tests.docker.conftest import StartProject
from tests.docker.project import Project
from tests.live.authority import Authority

pytestmark = pytest.mark.docker


@pytest.fixture
def server(demo_project: Project) -> Container:
    (container,) = demo_project.containers()
    return container


def test_it_is_healthy_and_serves_the_demo(server: Container) -> None:
    assert server.attrs["State"]["Health"]["Status"] == "healthy"
    status, said = server.exec_run(["auricle", "health"])
    assert status == 0, said
    assert [line.split(":")[0] for line in said.decode().splitlines()] == ["demo", "demo-ctc"]


def test_nobody_is_root(server: Container) -> None:
    users = {process[0] for process in server.top(ps_args="-eo uid,pid,cmd")["Processes"]}
    assert users == {"1000"}


def test_its_root_is_read_only(server: Container) -> None:
    status, said = server.exec_run(["touch", "/opt/auricle/x"])
    assert (status, b"Read-only" in said) == (1, True)


def test_it_has_no_capabilities(server: Container) -> None:
    _, said = server.exec_run(["grep", "-E", "Cap(Eff|Prm|Bnd)|NoNewPrivs", "/proc/1/status"])
    assert [line.split()[1] for line in said.decode().splitlines()] == ["0" * 16] * 3 + ["1"]


def test_its_ports_are_published_on_the_loopback_alone(server: Container) -> None:
    published = [one["HostIp"] for each in server.ports.values() for one in each]
    assert published == ["127.0.0.1"] * 3


def test_it_holds_neither_torch_nor_the_builder(server: Container) -> None:
    _, said = server.exec_run(["python3", "-m", "pip", "list", "--format", "json"])
    packages = {package["name"].lower() for package in json.loads(said.splitlines()[0])}
    assert not packages & {"torch", "onnx", "huggingface-hub", "kaldi-native-fbank"}


def test_it_speaks_tls(start_project: StartProject, tmp_path: Path, test_wavs: Path) -> None:
    authority = Authority(tmp_path / "tls")
    pair = authority.sign("server")
    pair.key.chmod(0o644)  # the server is not the user who runs the tests
    project = start_project(
        files=("docker-compose.tls.yml",), variables={"AURICLE_TLS": str(authority.folder)}
    )
    answer = project.compose("run", "--rm", "--no-TTY", "client", "transcribe", "/data")
    assert len(answer.stdout.splitlines()) == 40
    with pytest.raises(UnreachableError):
        Client(project.grpc_address, model="demo", patience=Patience(attempts=1)).transcribe(
            min(test_wavs.glob("*.wav"))
        )


def test_models_are_loaded_from_inside_while_it_serves(start_project: StartProject) -> None:
    project = start_project(variables={"AURICLE_MODEL_CONTROL": "explicit"})
    (server,) = project.containers()
    status, said = server.exec_run(["auricle", "models", "unload", "demo-ctc"])
    assert status == 0, said
    _, said = server.exec_run(["auricle", "models", "list", "--json"])
    states = {model["name"]: model["state"] for model in json.loads(said)}
    assert states == {"demo": "READY", "demo-ctc": "UNAVAILABLE"}


def test_it_is_asked_from_outside(demo_project: Project) -> None:
    answer = Endpoint("127.0.0.1", demo_project.ports.http).get("/v2/models/demo/ready")
    assert answer.is_ok
