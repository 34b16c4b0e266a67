"""A scripted KServe server in its own process, and speech to send to it."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

Serve = Callable[..., str]
SERVER = Path(__file__).with_name("scripted_server.py")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve("busy", "ok") starts a server that takes these steps; returns its host:port."""
    processes: list[subprocess.Popen[str]] = []

    def start(*steps: str, port: int = 0) -> str:
        port = port or free_port()
        command = [sys.executable, str(SERVER), str(port), *steps]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return f"localhost:{port}"

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """A tenth of a second at 16 kHz."""
    return write_wav(tmp_path / "hello.wav", 1600)


def write_wav(path: Path, num_samples: int, rate: int = 16000) -> Path:
    samples = np.sin(np.arange(num_samples, dtype=np.float32)) / 2
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path
