"""Who runs trtexec: the seam between what is asked for and where it runs."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from auricle.errors import PlanError

TRTEXEC = "trtexec"
IN_IMAGE = "/usr/src/tensorrt/bin/trtexec"  # of NVIDIA's images, not on their PATH
KILL_AFTER_S = 5.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Workspace:
    """graphs: the folder of the graph, only read.  draft: takes what is written."""

    graphs: Path
    draft: Path


@dataclass(frozen=True)
class Outcome:
    """lines: stdout and stderr together, as they came."""

    lines: tuple[str, ...]
    exit_code: int

    @property
    def is_ok(self) -> bool:
        return self.exit_code == 0


class Builder(Protocol):
    @property
    def trtexec(self) -> str:
        """How it is called there."""
        ...

    @property
    def place(self) -> str:
        """Where commands run, for a person."""
        ...

    def path(self, path: Path) -> str:
        """How a file of the workspace is called there."""
        ...

    def run(self, command: Sequence[str], tell: Tell) -> Outcome:
        """Every line is told as it comes; nothing is left running, even of what is interrupted."""
        ...


def find_trtexec() -> str | None:
    return shutil.which(TRTEXEC) or (IN_IMAGE if os.access(IN_IMAGE, os.X_OK) else None)


@dataclass(frozen=True)
class LocalBuilder:
    """On this machine, such as inside a Triton image."""

    trtexec: str
    place: str = "this machine"

    def path(self, path: Path) -> str:
        return str(path)

    def run(self, command: Sequence[str], tell: Tell) -> Outcome:
        try:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise PlanError(f"cannot run {command[0]}: {error.strerror}") from error
        lines: list[str] = []
        try:
            assert process.stdout, "stdout is piped"
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                tell(lines[-1])
            return Outcome(tuple(lines), process.wait())
        finally:
            _end(process)


def open_local() -> LocalBuilder:
    trtexec = find_trtexec()
    if trtexec is None:
        raise PlanError(
            f"no {TRTEXEC} on PATH, nor {IN_IMAGE}; leave --local out, and it runs in a container "
            "of the Triton image"
        )
    return LocalBuilder(trtexec)


def _end(process: subprocess.Popen[str]) -> None:
    """Of an interrupted command, the whole group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.stdout:
        process.stdout.close()
