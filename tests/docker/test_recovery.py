"""What a caller sees when servers stop, die and come back."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from docker.models.containers import Container

from auricle import audio
from tests.docker import long_set
from tests.docker.callers import calling
from tests.docker.conftest import StartProject
from tests.docker.project import BALANCED, ROOT, Project

pytestmark = pytest.mark.docker
KILL = """
import os, pathlib, signal, sys
processes = {
    int(folder.name): (folder / "comm").read_text().strip()
    for folder in pathlib.Path("/proc").glob("[0-9]*")
}
os.kill(next(pid for pid, name in processes.items() if name == sys.argv[1]), signal.SIGKILL)
"""
COUNT_REQUESTS = """
import re, urllib.request
text = urllib.request.urlopen("http://127.0.0.1:8002/metrics").read().decode()
pattern = r'nv_inference_request_success{model="demo",version="1"} ([0-9]+)'
print(re.search(pattern, text)[1])
"""


@pytest.fixture
def variables(tmp_path: Path, results: Path) -> dict[str, str]:
    audio = tmp_path / "audio"
    audio.mkdir()
    return {"AURICLE_AUDIO": str(audio), "AURICLE_RESULTS": str(results)}


def transcribe(project: Project, *options: str) -> subprocess.Popen[str]:
    """The client's container, at work on the set, its transcripts in results/hypotheses.txt."""
    command = ["docker", "compose", "-f", "docker-compose.yml"]
    command += [part for file in project.files for part in ("-f", file)]
    command += ["run", "--rm", "--no-TTY", "client", "transcribe", "--num-tasks", "4"]
    command += ["--wavscp", "/data/wav.scp", "--output", "/results/hypotheses.txt", *options]
    return subprocess.Popen(
        command, cwd=ROOT, env=project.environment(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def wait_for_lines(path: Path, number: int) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or len(path.read_text().splitlines()) < number:
        assert time.monotonic() < deadline, f"{path} has fewer than {number} lines"
        time.sleep(0.05)


def num_requests(server: Container) -> int:
    status, said = server.exec_run(["python3", "-c", COUNT_REQUESTS])
    assert status == 0, said
    return int(said)


def served_ids(server: Container) -> set[str]:
    """The requests that the server says it has answered."""
    lines = [line for line in server.logs().decode().splitlines() if line.startswith("{")]
    records = [json.loads(line) for line in lines]
    served = {record["request_id"] for record in records if record["status"] == "ok"}
    return served - {""}  # those of the health check


def test_sigterm_under_load_loses_no_accepted_request(
    start_project: StartProject, test_wavs: Path
) -> None:
    project = start_project(variables={"AURICLE_LOG_REQUESTS": "1"})
    (server,) = project.containers()
    waveform = audio.load(min(test_wavs.glob("*.wav")), 16000)
    with calling(project.grpc_address, waveform, num_callers=32) as tally:
        time.sleep(2)
        server.stop(timeout=30)
    server.reload()
    assert server.attrs["State"]["ExitCode"] == 0
    served = served_ids(server)
    assert len(served) > 100
    assert served <= tally.answered
    # NOT_FOUND: Triton has let go of the model and not yet of the port. CANCELLED: the connection
    # closed under a call that was not accepted yet.
    known = {"StatusCode.UNAVAILABLE", "StatusCode.NOT_FOUND", "StatusCode.CANCELLED"}
    assert set(tally.refused.values()) <= known


@pytest.mark.parametrize("process", ["tritonserver", "triton_python_b"])
def test_a_killed_process_comes_back_and_resume_finishes(
    start_project: StartProject, variables: dict[str, str], results: Path, process: str
) -> None:
    total = long_set.write(Path(variables["AURICLE_AUDIO"]), times=50)
    project = start_project(variables=variables)
    (server,) = project.containers()
    client = transcribe(project)
    wait_for_lines(results / "hypotheses.txt", 100)
    server.exec_run(["python3", "-c", KILL, process])
    said, _ = client.communicate(timeout=120)
    again = transcribe(project, "--resume")
    said_again, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said + said_again
    server.reload()
    assert server.attrs["RestartCount"] == 1
    lines = (results / "hypotheses.txt").read_text().splitlines()
    assert len({line.split()[0] for line in lines}) == len(lines) == total


def test_two_replicas_share_the_load_and_one_may_die(
    start_project: StartProject, variables: dict[str, str], results: Path
) -> None:
    total = long_set.write(Path(variables["AURICLE_AUDIO"]), times=60)
    project = start_project(files=(BALANCED,), variables=variables)
    first, second = project.containers()
    client = transcribe(project)
    wait_for_lines(results / "hypotheses.txt", total // 4)
    shares = [num_requests(server) for server in (first, second)]
    first.kill()
    said, _ = client.communicate(timeout=120)
    assert client.returncode == 0, said
    assert min(shares) > 0.3 * sum(shares)
    assert len((results / "hypotheses.txt").read_text().splitlines()) == total
    assert num_requests(second) > 0.7 * total - shares[0]
