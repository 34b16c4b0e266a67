"""Lay out a backend folder for the wheel's tritonserver: its Python backend and our onnxruntime.

The folder holds links only, so that a reinstalled or editable package is never stale. It lies in
the user's cache under a name that says what it links to.
"""

import hashlib
import os
import uuid
from pathlib import Path

from auricle.server.locate import PYTHON, STUB, Triton

OURS = Path(__file__).parent / "backends"


def cache_folder() -> Path:
    """Where Auricle keeps what it can make again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "auricle"


def backend_folder(triton: Triton) -> Path:
    """The value of --backend-directory: an image has it, for the wheel it is laid out once."""
    if triton.is_image:
        return triton.backends
    links = planned_links(triton)
    folder = cache_folder() / "backends" / layout_name(triton, links)
    for place, target in links.items():
        ensure_link(folder / place, target)
    return folder


def planned_links(triton: Triton) -> dict[Path, Path]:
    """Place in the backend folder -> the file that it links to."""
    shipped = triton.backends / "python"
    links = {Path("python") / path.name: path for path in shipped.iterdir() if path.is_file()}
    links[Path("python") / STUB] = triton.stub
    links |= {path.relative_to(OURS): path for path in OURS.glob("*/model.py")}
    return links


def layout_name(triton: Triton, links: dict[Path, Path]) -> str:
    text = "\n".join(f"{place} -> {target}" for place, target in sorted(links.items()))
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"pytriton-{triton.version}-python{PYTHON}-{digest}"


def ensure_link(path: Path, target: Path) -> None:
    """Make the link if it is absent or dangling; two processes may do so at once."""
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.symlink_to(target)
    draft.replace(path)
