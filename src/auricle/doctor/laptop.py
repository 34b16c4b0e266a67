"""What `auricle serve` needs without a container: this Python and the wheel's tritonserver."""

import contextlib
import importlib.metadata
import os
import shutil
import sys
from pathlib import Path

from auricle.access import cache_folder
from auricle.doctor.finding import Finding, fail, ok, refused, tried, warn
from auricle.doctor.machine import check_disk, free_disk, gib
from auricle.errors import ServerError
from auricle.server import host, locate
from auricle.server.command import SHM_BYTES

PYTHONS = ((3, 10), (3, 12))  # oldest and newest
PACKAGES = ("onnxruntime", "tritonclient")
ADVISED_SHARED_MEMORY = 1 << 30
CACHE_BYTES = 1 << 30  # the backends' copies, logs and downloaded checkpoints


# A wheel's, of which only that is known: what it needs is checked though it is not there.
ABSENT = locate.Triton(Path(), Path(), Path(), (), "absent", is_image=False)


def examine() -> list[Finding]:
    usage = shutil.disk_usage(host.SHARED_MEMORY)
    cache = cache_folder()
    return [
        check_python(sys.version_info[:3]),
        *examine_triton(),
        *(check_package(name, read_version(name)) for name in PACKAGES),
        check_shared_memory(usage.total, usage.free),
        check_disk("cache", cache, free_disk(cache), CACHE_BYTES),
    ]


def examine_triton() -> list[Finding]:
    """What `auricle serve` checks itself, in its own sentences."""
    try:
        triton, finding = locate.find_triton(), None
    except ServerError as error:
        triton, finding = ABSENT, refused("tritonserver", error)
    origin = "NGC image" if triton.is_image else f"wheel {locate.WHEEL}"
    return [
        tried("libpython", lambda: str(host.python_library_folder(triton) or "the image's")),
        tried("glibc", lambda: read_glibc(triton)),
        finding or ok("tritonserver", f"{origin} {triton.version}, stub for {locate.PYTHON}"),
    ]


def check_python(version: tuple[int, ...]) -> Finding:
    found = ".".join(map(str, version))
    oldest, newest = PYTHONS
    if oldest <= version[:2] <= newest:
        return ok("Python", found)
    return fail(
        "Python",
        found,
        "make the virtual environment with Python 3.10, 3.11 or 3.12: for no other has the wheel "
        "a stub",
    )


def check_package(name: str, version: str | None) -> Finding:
    if version:
        return ok(name, version)
    return fail(name, "not installed", "run `pip install 'auricle[server-cpu]'`")


def check_shared_memory(total: int, free: int) -> Finding:
    """Bytes of /dev/shm."""
    subject, each = str(host.SHARED_MEMORY), 2 * SHM_BYTES
    found = f"{gib(free)} free of {gib(total)}: room for {free // each} model instances"
    advice = (
        "in a container pass --shm-size=1g (compose: shm_size), elsewhere `sudo mount -o "
        f"remount,size=1g {host.SHARED_MEMORY}`"
    )
    if free < each:
        return fail(subject, found, advice)
    if free < ADVISED_SHARED_MEMORY:
        return warn(subject, found, advice)
    return ok(subject, found)


def read_glibc(triton: locate.Triton) -> str:
    host.check_glibc(triton)
    return (os.confstr("CS_GNU_LIBC_VERSION") or "the image's").removeprefix("glibc ")


def read_version(package: str) -> str | None:
    for name in (package, f"{package}-gpu"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None
