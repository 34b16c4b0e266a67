"""What needs a GPU says so, and is left out where there is none."""

import shutil
import subprocess

import pytest

from auricle.build.tensorrt.builder import find_trtexec


@pytest.fixture(scope="session")
def device() -> str:
    """The name of the first GPU."""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        pytest.skip("no GPU: there is no nvidia-smi")
    query = [smi, "--query-gpu=name", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    if answer.returncode != 0 or not answer.stdout.strip():
        pytest.skip(f"no GPU: {(answer.stderr or answer.stdout).strip()}")
    return answer.stdout.splitlines()[0].strip()


@pytest.fixture(scope="session")
def builder(device: str) -> str:
    """Where trtexec is: "local" or "docker"."""
    if find_trtexec():
        return "local"
    docker = ["docker", "version", "--format", "{{.Server.Version}}"]
    if shutil.which("docker") is None or subprocess.run(docker, check=False).returncode != 0:
        pytest.skip("neither trtexec nor a Docker engine")
    return "docker"
