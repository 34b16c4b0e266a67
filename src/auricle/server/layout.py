"""Lay out a backend folder for the wheel's tritonserver: its Python backend and our onnxruntime.

The folder lies in the user's cache, or where AURICLE_BACKENDS says. It holds copies, because Triton
refuses a backend library that is a link out of its folder; a copy is renewed when its original has
changed, so what is complete is only read. An image is laid out when it is built, with the variable
set for good:

    auricle serve --lay-out
"""

import hashlib
import os
import shutil
import uuid
from pathlib import Path

from auricle.access import cache_folder
from auricle.errors import ServerError
from auricle.server.locate import PYTHON, STUB, Triton

OURS = Path(__file__).parent / "backends"
VARIABLE = "AURICLE_BACKENDS"


def backend_folder(triton: Triton) -> Path:
    """The value of --backend-directory: an image has it, for the wheel it is laid out once."""
    if triton.is_image:
        return triton.backends
    base = Path(os.environ.get(VARIABLE) or cache_folder() / "backends")
    folder = base / layout_name(triton)
    try:
        for place, original in planned_files(triton).items():
            ensure_copy(original, folder / place)
    except OSError as error:
        raise ServerError(
            f"cannot lay out the backends in {folder} ({error.strerror}); set XDG_CACHE_HOME to a "
            f"folder that you may write to, or {VARIABLE} to one laid out beforehand by "
            "`python -m auricle.server.layout`"
        ) from error
    check_executable(folder / "python" / STUB)
    return folder


def check_executable(stub: Path) -> None:
    """Of a file system mounted noexec, as a container's tmpfs is, nothing can be run."""
    if not os.access(stub, os.X_OK):
        raise ServerError(
            f"{stub} cannot be executed, its file system is perhaps mounted noexec; set {VARIABLE} "
            "to a folder elsewhere, which `auricle serve --lay-out` lays out"
        )


def layout_name(triton: Triton) -> str:
    """One for each wheel and Python, and for each environment that they are installed in."""
    digest = hashlib.sha256(f"{triton.backends} {OURS}".encode()).hexdigest()[:8]
    return f"pytriton-{triton.version}-python{PYTHON}-{digest}"


def planned_files(triton: Triton) -> dict[Path, Path]:
    """Place in the backend folder -> the file that is copied there."""
    shipped = triton.backends / "python"
    files = {Path("python") / path.name: path for path in shipped.iterdir() if path.is_file()}
    files[Path("python") / STUB] = triton.stub
    files |= {path.relative_to(OURS): path for path in OURS.glob("*/model.py")}
    return files


def ensure_copy(original: Path, copy: Path) -> None:
    """Two processes may do so at once: a file appears whole or not at all."""
    if copy.is_file() and stamp(copy) == stamp(original):
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    draft = copy.with_name(f".{copy.name}.{uuid.uuid4().hex}")
    shutil.copy2(original, draft)
    draft.replace(copy)


def stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, int(status.st_mtime)  # whole seconds: an image keeps no more
