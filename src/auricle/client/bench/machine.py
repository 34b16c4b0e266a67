"""What ran where: processor, versions, and the time and memory of a tree of processes."""

import asyncio
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

PROC = Path("/proc")
LOCAL = ("localhost", "127.0.0.1", "[::1]")
PACKAGES = (
    "auricle", "grpcio", "numpy", "nvidia-pytriton", "onnxruntime", "onnxruntime-gpu",
    "tritonclient",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    packages: dict[str, str]
    command: str
    date: str
    load_average: float  # of the minute before: above 0.5 or so, somebody else was at work


@dataclass(frozen=True)
class Usage:
    """Of a process and all below it: processor seconds so far, and resident memory.

    at_s: seconds since the watch began.
    """

    cpu_s: float
    rss_bytes: int
    at_s: float = 0.0


@dataclass(frozen=True)
class _Process:
    parent: int
    name: str
    usage: Usage


def describe() -> Machine:
    return Machine(
        cpu=_field(PROC / "cpuinfo", "model name"),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(int(_field(PROC / "meminfo", "MemTotal").split()[0]) / 2**20, 1),
        system=platform.platform(),
        python=platform.python_version(),
        packages=_versions(),
        command=" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        date=time.strftime("%Y-%m-%d %H:%M:%S %z"),
        load_average=os.getloadavg()[0],
    )


def find_gpus() -> list[str]:
    """Name, driver and memory of each NVIDIA GPU; none where nvidia-smi fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = [program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def find_server(url: str) -> int | None:
    """The one process named tritonserver, if the address is of this machine."""
    if url.rpartition(":")[0] not in LOCAL:
        return None
    found = [pid for pid, process in _processes().items() if process.name == "tritonserver"]
    return found[0] if len(found) == 1 else None


def usage(pid: int) -> Usage | None:
    """Of the process and its descendants (Triton's Python stubs); None when it is gone."""
    processes = _processes()
    if pid not in processes:
        return None
    family = {pid}
    while grown := {child for child, p in processes.items() if p.parent in family} - family:
        family |= grown
    members = [processes[member].usage for member in family]
    return Usage(sum(one.cpu_s for one in members), sum(one.rss_bytes for one in members))


@asynccontextmanager
async def watched(pid: int | None, period_s: float = 1.0) -> AsyncIterator[list[Usage]]:
    """A list that grows by the usage of `pid`, at the start, every `period_s` and at the end."""
    found: list[Usage] = []
    start = time.perf_counter()

    def look() -> None:
        if pid is not None and (now := usage(pid)):
            found.append(replace(now, at_s=time.perf_counter() - start))

    async def keep_looking() -> None:
        while True:
            await asyncio.sleep(period_s)
            look()

    look()
    watcher = asyncio.create_task(keep_looking())
    try:
        yield found
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        look()


def _processes() -> dict[int, _Process]:
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # a process may end between the listing and the reading
                found[int(entry.name)] = _parse((entry / "stat").read_text())
    return found


def _parse(stat: str) -> _Process:
    """A line of /proc/<pid>/stat; the name is in brackets and may hold any character."""
    head, _, tail = stat.rpartition(")")
    fields = tail.split()  # from the third field on: see proc(5)
    ticks = int(fields[11]) + int(fields[12])
    return _Process(
        parent=int(fields[1]),
        name=head.partition("(")[2],
        usage=Usage(
            cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
            rss_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        ),
    )


def _field(path: Path, name: str) -> str:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return f"unknown: {path} has no {name!r}"


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
