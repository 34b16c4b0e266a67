"""The command line and the environment of a tritonserver."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from auricle.errors import ServerError
from auricle.server import hardening
from auricle.server.locate import Triton
from auricle.server.options import Options
from auricle.spec.plan import ONNX_CONFIG

SHM_BYTES = 16 << 20  # of each stub at its start, and each growth: 260 s of audio at 16 kHz


def build_command(
    triton: Triton, options: Options, backends: Path, shm_prefix: str, known: Collection[str]
) -> list[str]:
    """known: the flags of this Triton, which stops at any other."""
    needed: dict[str, object] = {
        "backend-directory": backends,
        "http-address": options.host,
        "grpc-address": options.host,
        "http-port": options.ports.http,
        "grpc-port": options.ports.grpc,
        "metrics-port": options.ports.metrics,
        **hardening.needed_flags(options),
        **({"model-config-name": ONNX_CONFIG} if options.onnx_fallback else {}),
    }
    wished: dict[str, str] = hardening.wished_flags(options) | {
        "metrics-address": options.host,
        "exit-timeout-secs": str(int(options.stop_timeout_s)),
    }
    if not triton.is_image:  # the wheel is for the CPU
        wished |= {"allow-gpu-metrics": "false", "pinned-memory-pool-byte-size": "0"}
    switches = ["disable-auto-complete-config"]
    python_backend = {
        "shm-default-byte-size": SHM_BYTES,
        "shm-growth-byte-size": SHM_BYTES,
        "shm-region-prefix-name": shm_prefix,
    }
    return [
        *die_with_us(),
        str(triton.binary),
        *(f"--model-repository={path.resolve()}" for path in options.folders),
        *(f"--model-repository={address}" for address in options.remote),
        *(f"--load-model={name}" for name in options.loads or []),
        *(f"--{name}={value}" for name, value in needed.items()),
        *(f"--{name}={value}" for name, value in wished.items() if name in known),
        *(f"--{name}" for name in switches if name in known),
        *(f"--backend-config=python,{name}={value}" for name, value in python_backend.items()),
        *(["--backend-config=tensorrt,version-compatible=true"] * options.version_compatible),
    ]


def die_with_us() -> list[str]:
    """A prefix that makes the kernel stop Triton when we are killed and cannot do it ourselves."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def known_flags(triton: Triton, environment: Mapping[str, str]) -> set[str]:
    """The flags that this Triton's own help lists."""
    answer = subprocess.run(
        [triton.binary, "--help"], env=environment, capture_output=True, text=True, check=False
    )
    flags = set(re.findall(r"^\s+--([a-z0-9-]+)", answer.stdout + answer.stderr, re.MULTILINE))
    if not flags:
        raise ServerError(
            f"{triton.binary} does not run: {answer.stderr.strip() or answer.returncode}"
        )
    return flags


def build_environment(triton: Triton, python_library: Path | None) -> dict[str, str]:
    """Ours, so that the stub's embedded Python is this very one with its packages.

    It takes for its own the first python3 on PATH, and so the virtual environment around that.
    """
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    folders = [python_library, *triton.libraries, ours.get("LD_LIBRARY_PATH")]
    return {
        "OMP_NUM_THREADS": "1",  # an instance is a process: more threads would fight for cores
        **ours,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), ours.get("PATH", os.defpath)]),
        "LD_LIBRARY_PATH": os.pathsep.join(str(folder) for folder in folders if folder),
    }
