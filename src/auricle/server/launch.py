"""Start a tritonserver, wait until it is ready, stop it; nothing is left running.

Triton runs in a process group of its own, with the Python stubs that it starts: a Ctrl-C at the
terminal reaches us alone, and what outlives Triton's own stop is killed with the group.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auricle.errors import ServerError, UnreachableError
from auricle.server import layout, locate
from auricle.server.http import Endpoint
from auricle.server.ports import Ports

LOOPBACK = "127.0.0.1"
SHM_BYTES = 16 << 20  # of each stub at its start, and each growth: a batch of 64 s of audio
POLL_S = 0.05


@dataclass(frozen=True)
class Options:
    """log_file: of Triton and its models; None is our own stderr."""

    repositories: Sequence[Path]
    ports: Ports = field(default_factory=Ports)
    host: str = LOOPBACK
    log_file: Path | None = None
    start_timeout_s: float = 600.0
    stop_timeout_s: float = 30.0


@dataclass(frozen=True)
class Server:
    """A tritonserver that is ready."""

    process: subprocess.Popen[bytes]
    options: Options
    ready_s: float

    @property
    def http_address(self) -> str:
        return f"{self.options.host}:{self.options.ports.http}"

    @property
    def grpc_address(self) -> str:
        return f"{self.options.host}:{self.options.ports.grpc}"

    @property
    def metrics_address(self) -> str:
        return f"{self.options.host}:{self.options.ports.metrics}"


@contextlib.contextmanager
def serve(options: Options) -> Iterator[Server]:
    """A tritonserver that serves the repositories; it stops with the block.

    The thread that enters must outlive the block: Triton stops when it ends.
    """
    started = time.monotonic()
    triton = locate.find_triton()
    process = start(triton, options)
    try:
        wait_until_ready(process, options)
        yield Server(process, options, time.monotonic() - started)
    finally:
        stop(process, options.stop_timeout_s)


def start(triton: locate.Triton, options: Options) -> subprocess.Popen[bytes]:
    command = [*die_with_us(), str(triton.binary), *flags(triton, options)]
    with contextlib.ExitStack() as files:
        log = None
        if options.log_file:
            options.log_file.parent.mkdir(parents=True, exist_ok=True)
            log = files.enter_context(options.log_file.open("wb"))
        return subprocess.Popen(
            command,
            env=environment(triton),
            stdin=subprocess.DEVNULL,
            stdout=log or sys.stderr,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def die_with_us() -> list[str]:
    """A prefix of the command that stops Triton when we are killed and cannot do it ourselves."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def flags(triton: locate.Triton, options: Options) -> list[str]:
    """Triton's arguments: those that we need, and those that this version knows."""
    needed = {
        "backend-directory": layout.backend_folder(triton),
        "http-address": options.host,
        "grpc-address": options.host,
        "http-port": options.ports.http,
        "grpc-port": options.ports.grpc,
        "metrics-port": options.ports.metrics,
        "exit-timeout-secs": int(options.stop_timeout_s),
    }
    return [
        *(f"--model-repository={path.resolve()}" for path in options.repositories),
        *(f"--{name}={value}" for name, value in needed.items()),
        f"--metrics-address={options.host}",
        "--allow-gpu-metrics=false",
        "--disable-auto-complete-config",
        f"--backend-config=python,shm-default-byte-size={SHM_BYTES}",
        f"--backend-config=python,shm-growth-byte-size={SHM_BYTES}",
    ]


def environment(triton: locate.Triton) -> dict[str, str]:
    """Ours, so that the stub's embedded Python is this very one with its packages.

    It takes for its own the first python3 on PATH, and so the virtual environment around that.
    """
    libraries = [sysconfig.get_config_var("LIBDIR"), *map(str, triton.libraries)]
    inherited = os.environ.get("LD_LIBRARY_PATH")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    return {
        "OMP_NUM_THREADS": "1",
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "LD_LIBRARY_PATH": os.pathsep.join([*libraries, *([inherited] if inherited else [])]),
    }


def wait_until_ready(process: subprocess.Popen[bytes], options: Options) -> None:
    endpoint = Endpoint(options.host, options.ports.http)
    deadline = time.monotonic() + options.start_timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"tritonserver ended with status {process.returncode} at its start")
        with contextlib.suppress(UnreachableError):
            if endpoint.get("/v2/health/ready").status == 200:
                return
        time.sleep(POLL_S)
    raise ServerError(f"tritonserver was not ready within {options.start_timeout_s:g} s")


def stop(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Ask Triton to stop; after the timeout, or an exception in the wait, kill its whole group."""
    try:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
