"""Processes on this machine, as /proc tells them."""

import time
from collections.abc import Callable
from pathlib import Path


def group_members(group: int) -> list[int]:
    """The processes of a group that are alive."""
    return [pid for pid in living() if state(pid)[2:3] == [str(group)]]


def children(parent: int) -> list[int]:
    return [pid for pid in living() if state(pid)[1:2] == [str(parent)]]


def living() -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in pids if state(pid)[:1] not in ([], ["Z"])]


def state(pid: int) -> list[str]:
    """State, parent, group...: what follows the name in /proc/PID/stat; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def shared_memory(triton: int) -> str:
    """A pattern for the shared memory of a Triton and its stubs."""
    command = Path(f"/proc/{triton}/cmdline").read_text()
    return command.partition("shm-region-prefix-name=")[2].strip("\0") + "*"


def is_gone(pattern: str) -> bool:
    return not list(Path("/dev/shm").glob(pattern))


def wait_until(claim: Callable[[], bool], seconds: float) -> bool:
    """Whether the claim came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if claim():
            return True
        time.sleep(0.05)
    return claim()
