"""`auricle health` with a real tritonserver."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from auricle.server import Options, Server, free_ports, serve
from tests.live import models
from tests.live.conftest import StartServer
from tests.live.processes import children
from tests.live.requests import audio, infer

pytestmark = pytest.mark.triton

AURICLE = str(Path(sys.executable).with_name("auricle"))


def run_health(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [AURICLE, "health", "--url", address, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def slow_server(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """One instance that takes 1 s, a queue of one."""
    repository = tmp_path_factory.mktemp("slow_repository")
    models.write_python_model(repository, "slow", models.SLOW, models.SLOW_CONFIG)
    return start_server(repository)


def test_every_pipeline_model_is_asked_and_no_other(small_server: Server) -> None:
    answer = run_health(small_server.http_address)
    assert answer.returncode == 0, answer.stderr
    assert re.fullmatch(r"deaf: ok \(\d+ ms\)\n", answer.stdout)


def test_a_dead_stub_shows(tmp_path: Path) -> None:
    models.write_python_model(tmp_path / "models", "deaf", models.DEAF, models.DEAF_CONFIG)
    options = Options(
        [tmp_path / "models"], ports=free_ports(), log_file=tmp_path / "log", stop_timeout_s=1
    )
    with serve(options) as server:
        os.kill(children(server.process.pid)[0], signal.SIGKILL)
        answer = run_health(server.http_address)
    assert answer.returncode == 1
    assert re.match(r"deaf: Stub process 'deaf_0_\d' is not healthy", answer.stdout)


def test_a_model_that_does_not_answer_in_time_shows(slow_server: Server) -> None:
    answer = run_health(slow_server.http_address, "--timeout", "0.3")
    assert answer.returncode == 1
    assert re.match(r"slow: no answer within 0\.3 s", answer.stdout)


def test_a_full_queue_is_no_illness(slow_server: Server) -> None:
    with ThreadPoolExecutor(4) as threads:
        load = [threads.submit(infer, slow_server, "slow", audio([[0]], [1])) for _ in range(4)]
        answer = run_health(slow_server.http_address)
        statuses = {request.result().status for request in load}
    assert 503 in statuses
    assert answer.returncode == 0, answer.stdout


def test_no_server_is_another_exit_code() -> None:
    answer = run_health(f"127.0.0.1:{free_ports().http}")
    assert answer.returncode == 3
    assert "no server answers at" in answer.stderr


def test_what_is_no_address_is_a_usage_error() -> None:
    assert run_health("https://localhost").returncode == 2
