"""`auricle serve` with a real tritonserver."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import pytest

from auricle.errors import ServerError
from auricle.server import Options, Ports, Server, free_ports, serve
from tests.live import models
from tests.live.conftest import StartServer
from tests.live.processes import children, group_members, is_gone, shared_memory, wait_until
from tests.live.requests import infer, tensor

pytestmark = pytest.mark.triton

AURICLE = str(Path(sys.executable).with_name("auricle"))
X = tensor("X", "FP32", [1, 3], [1, 2, 3])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The model double alone."""
    models.write_python_model(tmp_path / "models", "double", models.DOUBLE, models.DOUBLE_CONFIG)
    return tmp_path / "models"


@dataclass(frozen=True)
class Command:
    """A running `auricle serve`. lines: what it has printed. triton: the pid of its server."""

    process: subprocess.Popen[str]
    lines: list[str]
    triton: int


def arguments(repository: Path, ports: Ports, log_file: Path) -> list[str]:
    numbers = zip(("--http-port", "--grpc-port", "--metrics-port"), astuple(ports), strict=True)
    return [
        *(AURICLE, "serve", "--repo", str(repository)),
        *(text for flag, port in numbers for text in (flag, str(port))),
        *("--log-file", str(log_file)),
    ]


@contextmanager
def serving(repository: Path) -> Iterator[Command]:
    """`auricle serve` in a process of its own, ready."""
    command = arguments(repository, free_ports(), repository.parent / "triton.log")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline(), process.stdout.readline()]
            assert lines[1].startswith("ready in"), lines
            yield Command(process, lines, children(process.pid)[0])
        finally:
            process.kill()


def test_a_model_answers(small_server: Server) -> None:
    assert infer(small_server, "double", [X]).outputs == {"Y": [2, 4, 6]}


def test_the_start_is_quick(small_server: Server) -> None:
    assert small_server.ready_s < 15


def test_a_stub_has_the_packages_of_this_environment(
    start_server: StartServer, tmp_path: Path
) -> None:
    source = f"""
import sys
import auricle, numpy, onnxruntime
assert sys.prefix == {sys.prefix!r}, sys.prefix
assert sys.version == {sys.version!r}, sys.version
assert auricle.__file__ == {sys.modules["auricle"].__file__!r}, auricle.__file__
{models.DOUBLE}"""
    models.write_python_model(tmp_path, "double", source, models.DOUBLE_CONFIG)
    assert infer(start_server(tmp_path), "double", [X]).outputs == {"Y": [2, 4, 6]}


def test_two_servers_run_side_by_side(small_server: Server, start_server: StartServer) -> None:
    other = start_server(*small_server.options.repositories)
    assert other.grpc_address != small_server.grpc_address
    for server in (small_server, other):
        assert infer(server, "double", [X]).outputs == {"Y": [2, 4, 6]}


def test_it_prints_where_the_models_answer(repository: Path) -> None:
    with serving(repository) as command:
        log, ready = command.lines
    assert log == f"Triton's log: {repository.parent}/triton.log\n"
    address = r"127\.0\.0\.1:\d+"
    assert re.fullmatch(
        rf"ready in \d+\.\d s: double \(grpc {address}, http {address}, metrics {address}\)\n",
        ready,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_running(repository: Path, number: signal.Signals) -> None:
    with serving(repository) as command:
        memory = shared_memory(command.triton)
        assert len(group_members(command.triton)) == 3  # Triton and two stubs
        command.process.send_signal(number)
        assert command.process.wait(15) == 0
        assert group_members(command.triton) == []
        assert is_gone(memory)


def test_a_second_signal_does_not_wait(repository: Path) -> None:
    with serving(repository) as command:
        memory = shared_memory(command.triton)
        stub = children(command.triton)[0]
        os.kill(stub, signal.SIGKILL)  # Triton would now wait for its timeout of 10 s
        command.process.terminate()
        assert wait_until(lambda: "Signal (15)" in log_of(repository), 5)
        command.process.terminate()
        assert command.process.wait(3) == 0
        assert group_members(command.triton) == []
        assert is_gone(memory)


def log_of(repository: Path) -> str:
    return (repository.parent / "triton.log").read_text()


def test_a_killed_auricle_takes_triton_along(repository: Path) -> None:
    with serving(repository) as command:
        command.process.kill()
        assert wait_until(lambda: not group_members(command.triton), 15)


def test_a_dead_triton_ends_the_command(repository: Path) -> None:
    with serving(repository) as command:
        os.kill(command.triton, signal.SIGKILL)
        assert command.process.wait(5) == 1
        assert group_members(command.triton) == []


def test_a_dead_stub_ends_the_command(repository: Path) -> None:
    with serving(repository) as command:
        os.kill(children(command.triton)[0], signal.SIGKILL)
        assert command.process.wait(20) == 1  # 2 looks, and Triton's timeout of 10 s
        assert group_members(command.triton) == []


def test_a_dead_stub_is_reported(repository: Path, tmp_path: Path) -> None:
    options = Options([repository], ports=free_ports(), log_file=tmp_path / "log", stop_timeout_s=1)
    with serve(options) as server:
        os.kill(children(server.process.pid)[0], signal.SIGKILL)
        with pytest.raises(ServerError, match="the process of a Python model died"):
            server.wait()


def test_a_dead_triton_is_reported(repository: Path, tmp_path: Path) -> None:
    options = Options([repository], ports=free_ports(), log_file=tmp_path / "log")
    with serve(options) as server:
        server.process.kill()
        with pytest.raises(ServerError, match="ended by itself with status -9"):
            server.wait()


def test_a_port_in_use_is_told_before_the_start(repository: Path) -> None:
    ports = free_ports()
    with socket.create_server(("127.0.0.1", ports.grpc)):
        log_file = repository.parent / "triton.log"
        answer = subprocess.run(
            arguments(repository, ports, log_file), capture_output=True, text=True, check=False
        )
    assert answer.returncode == 1
    assert answer.stderr == (
        f"auricle: cannot listen on 127.0.0.1:{ports.grpc} for grpc (Address already in use); "
        "stop what listens there, or choose another port with --grpc-port\n"
    )
    assert not log_file.exists()


def test_a_missing_file_is_told_before_the_start(repository: Path) -> None:
    (repository / "double" / "1" / "model.py").unlink()
    log_file = repository.parent / "triton.log"
    answer = subprocess.run(
        arguments(repository, free_ports(), log_file), capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"auricle: {repository}/double/1 has no model.py")
    assert not log_file.exists()


def test_a_log_that_cannot_be_written_is_told_before_the_start(repository: Path) -> None:
    log_file = repository / "double" / "config.pbtxt" / "triton.log"
    options = Options([repository], ports=free_ports(), log_file=log_file)
    with pytest.raises(ServerError, match=r"cannot write the log .*--log-file"), serve(options):
        pass


def test_a_model_that_cannot_load_says_why(start_server: StartServer, tmp_path: Path) -> None:
    source = "import no_such_package\n" + models.DOUBLE
    models.write_python_model(tmp_path, "double", source, models.DOUBLE_CONFIG)
    with pytest.raises(ServerError) as caught:
        start_server(tmp_path)
    assert "failed to load 'double' version 1" in str(caught.value)
    assert "lacks the package no_such_package; install it there" in str(caught.value)


def test_a_model_that_cannot_load_says_why_below_its_log_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = "import no_such_package\n" + models.DOUBLE
    models.write_python_model(tmp_path, "double", source, models.DOUBLE_CONFIG)
    with pytest.raises(ServerError) as caught, serve(Options([tmp_path], free_ports())):
        pass
    assert "lacks the package no_such_package; install it there" in str(caught.value)
    assert "No module named 'no_such_package'" in capfd.readouterr().err


def test_a_server_for_all_addresses_is_found_ready(repository: Path) -> None:
    options = Options([repository], free_ports(), "0.0.0.0", repository.parent / "log")
    with serve(options) as server:
        assert server.process.poll() is None
