"""What this machine must have before the wheel's tritonserver can run Python models on it."""

import os
import shutil
import sysconfig
from pathlib import Path

from auricle.errors import ServerError
from auricle.server.locate import PYTHON, Triton

MIN_GLIBC = (2, 35)  # the wheel is built on Ubuntu 22.04
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # Triton's own place for it


def check_glibc(triton: Triton) -> None:
    if triton.is_image:
        return
    found = os.confstr("CS_GNU_LIBC_VERSION") or "no glibc"  # "glibc 2.36"
    digits = found.removeprefix("glibc ").split(".")[:2]
    if not all(part.isdecimal() for part in digits) or tuple(map(int, digits)) < MIN_GLIBC:
        wanted = ".".join(map(str, MIN_GLIBC))
        raise ServerError(
            f"the wheel's tritonserver needs glibc {wanted} or newer, this system has {found}; "
            "use Ubuntu 22.04, Debian 12 or newer, or an NGC image of tritonserver"
        )


def python_library_folder(triton: Triton) -> Path | None:
    """The folder of the running Python's shared library, which the stub is linked against.

    None in an image, where the loader knows it. ServerError if this Python has none.
    """
    if triton.is_image:
        return None
    name = f"libpython{PYTHON}.so.1.0"
    folders = library_folders()
    for folder in folders:
        if (folder / name).is_file():
            return folder
    raise ServerError(
        f"this Python has no shared library {name} (looked in {', '.join(map(str, folders))}), "
        f"and Triton's Python stub needs it; run `apt install libpython{PYTHON}`, or make the "
        "virtual environment with a Python of uv or conda, or of pyenv built with --enable-shared"
    )


def library_folders() -> list[Path]:
    variables = sysconfig.get_config_vars()
    folder = Path(variables.get("LIBDIR") or "/usr/lib")
    multiarch = variables.get("MULTIARCH") or ""  # Debian's: x86_64-linux-gnu
    own = Path(variables["installed_base"]) / "lib"  # uv moves a Python after it was built
    return [path for path in dict.fromkeys([folder, folder / multiarch, own]) if path.is_dir()]


def check_shared_memory(num_instances: int, bytes_each: int) -> None:
    """Every model instance is a process that meets Triton in shared memory."""
    needed = num_instances * bytes_each
    free = shutil.disk_usage(SHARED_MEMORY).free
    if free < needed:
        raise ServerError(
            f"{SHARED_MEMORY} has {free >> 20} MiB free, but {num_instances} model instances need "
            f"{needed >> 20} MiB; in a container pass --shm-size=1g (compose: shm_size), elsewhere "
            f"`mount -o remount,size=1g {SHARED_MEMORY}`"
        )
