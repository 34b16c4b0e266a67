"""What every way of serving needs: cores, memory, disk, three free ports."""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from auricle.doctor.finding import Finding, fail, ok, warn
from auricle.server.ports import LOOPBACK, Ports, refusal

MIN_MEMORY = 2 << 30  # a server of the demo with two instances holds 0.7 GiB, a 30 M one more
PROC = Path("/proc")
LISTENS = "0A"  # a state in /proc/net/tcp
BEHIND = {"docker-proxy": "a container: `docker ps` says which"}


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    total: int
    available: int


def examine() -> list[Finding]:
    listeners = dict(read_listeners())
    return [
        check_cpus(len(os.sched_getaffinity(0))),
        check_memory(read_memory((PROC / "meminfo").read_text())),
        *(
            check_port(port, protocol, refusal(LOOPBACK, port), listeners.get(port))
            for protocol, port in asdict(Ports()).items()
        ),
    ]


def check_cpus(num_cpus: int) -> Finding:
    if num_cpus < 2:
        return warn(
            "CPUs",
            "1",
            "the server and the models share it: expect waits; give the machine a second one",
        )
    return ok("CPUs", str(num_cpus))


def check_memory(memory: Memory) -> Finding:
    found = f"{gib(memory.available)} free of {gib(memory.total)}"
    if memory.available < MIN_MEMORY:
        return warn(
            "memory", found, f"end other programs, or add some; {gib(MIN_MEMORY)} is little"
        )
    return ok("memory", found)


def check_port(port: int, protocol: str, reason: str | None, listener: str | None) -> Finding:
    """reason: why nobody can listen there, None if one can.  listener: who does, if it is known."""
    subject = f"port {port}"
    if reason is None:
        return ok(subject, f"free ({protocol})")
    found = f"taken by {listener}" if listener else f"{reason}; `sudo ss -ltnp` says by whom"
    option = f"--{protocol}-port, for compose AURICLE_{protocol.upper()}_PORT"
    return fail(subject, found, f"stop what listens there, or choose another port: {option}")


def check_disk(subject: str, path: Path, free: int, needed: int) -> Finding:
    found = f"{gib(free)} free in {path}"
    if free < needed:
        return warn(subject, found, f"make room: {gib(needed)} are needed")
    return ok(subject, found)


def free_disk(path: Path) -> int:
    """Bytes, of the disk where the path is or would be made."""
    there = next(one for one in (path, *path.parents) if one.exists())
    return shutil.disk_usage(there).free


def read_memory(meminfo: str) -> Memory:
    """From the text of /proc/meminfo."""
    rows = (line.split() for line in meminfo.splitlines())
    kib = {row[0].rstrip(":"): int(row[1]) for row in rows}
    return Memory(kib["MemTotal"] << 10, kib["MemAvailable"] << 10)


def read_listeners() -> Iterator[tuple[int, str]]:
    """Port -> the program that listens there, of those whose files we may see."""
    tables = [path for name in ("tcp", "tcp6") if (path := PROC / "net" / name).exists()]
    ports = dict(socket for path in tables for socket in listening(path.read_text().splitlines()))
    for link in PROC.glob("[0-9]*/fd/*"):
        try:
            inode = str(link.readlink()).removeprefix("socket:[").removesuffix("]")
            if inode in ports:
                process = link.parents[1]
                name = (process / "comm").read_text().strip()
                yield ports[inode], BEHIND.get(name, f"{name} (process {process.name})")
        except OSError:  # it has ended meanwhile
            continue


def listening(table: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Inode -> port, from the lines of /proc/net/tcp."""
    for row in (line.split() for line in table):
        if row[3] == LISTENS:
            yield row[9], int(row[1].rpartition(":")[2], base=16)


def gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
