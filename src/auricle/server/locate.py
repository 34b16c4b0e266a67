"""Find a tritonserver: the one of an NGC image, else the one in the wheel nvidia-pytriton."""

import importlib.metadata
import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from auricle.errors import ServerError

IMAGE = Path("/opt/tritonserver")
WHEEL = "nvidia-pytriton"
STUB = "triton_python_backend_stub"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Triton:
    """A tritonserver and what came with it.

    backends: the folder of its backends.
    stub: the process that runs Python models, built for the running Python.
    libraries: folders that the loader must look in.
    version: of the image or of the wheel.
    """

    binary: Path
    backends: Path
    stub: Path
    libraries: tuple[Path, ...]
    version: str
    is_image: bool


def find_triton() -> Triton:
    """The tritonserver of this machine; ServerError if there is none that fits this Python."""
    if (IMAGE / "bin" / "tritonserver").is_file():
        return in_image(IMAGE)
    package = importlib.util.find_spec("pytriton")
    if package is None or package.origin is None:
        raise ServerError(
            f"no tritonserver: neither {IMAGE}/bin/tritonserver nor the wheel {WHEEL}; "
            "run `pip install 'auricle[server-cpu]'`, or use an NGC image of tritonserver"
        )
    return in_wheel(Path(package.origin).parent)


def in_image(root: Path) -> Triton:
    stub = root / "backends" / "python" / STUB
    if not stub.is_file():
        raise ServerError(
            f"the image's Triton has no Python backend: {stub} is absent; use an image whose tag "
            "ends in -py3"
        )
    linked = re.search(rb"libpython(3\.\d+)\.so", stub.read_bytes())
    if linked and linked[1].decode() != PYTHON:
        raise ServerError(
            f"this is Python {PYTHON}, but the image's Triton runs Python {linked[1].decode()} "
            "models; install auricle into that Python"
        )
    version = root / "TRITON_VERSION"
    return Triton(
        binary=root / "bin" / "tritonserver",
        backends=root / "backends",
        stub=stub,
        libraries=(),
        version=version.read_text().strip() if version.is_file() else "unknown",
        is_image=True,
    )


def in_wheel(package: Path) -> Triton:
    """The tritonserver inside site-packages/pytriton."""
    root = package / "tritonserver"
    stubs = root / "python_backend_stubs"
    stub = stubs / PYTHON / STUB
    version = importlib.metadata.version(WHEEL)
    if not stub.is_file():
        known = sorted((path.name for path in stubs.glob("3.*")), key=minor)
        raise ServerError(
            f"{WHEEL} {version} has no stub for Python {PYTHON}; it has {', '.join(known)}: "
            "make the virtual environment with one of these"
        )
    return Triton(
        binary=root / "bin" / "tritonserver",
        backends=root / "backends",
        stub=stub,
        libraries=(package.parent / "nvidia_pytriton.libs",),  # where auditwheel puts them
        version=version,
        is_image=False,
    )


def minor(version: str) -> int:
    return int(version.split(".")[1])
