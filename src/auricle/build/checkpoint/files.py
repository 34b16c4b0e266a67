"""Which files of a checkpoint make a model: names in, names out."""

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Literal

from auricle.errors import CheckpointError

Precision = Literal["fp32", "fp16", "int8"]


def list_files(folder: Path) -> list[str]:
    """Paths below the folder, relative, sorted; CheckpointError if there is no such folder."""
    if not folder.is_dir():
        raise CheckpointError(f"no checkpoint folder {folder}")
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def choose_graph(names: Iterable[str], pattern: str, precision: Precision) -> str:
    """The one ONNX file of this precision that matches; int8 and fp16 fall back to a plain file.

    icefall marks precision in the name: encoder.onnx, encoder.int8.onnx, encoder.fp16.onnx.
    """
    names = list(names)
    matching = [name for name in names if fnmatch(PurePosixPath(name).name, pattern)]
    of_precision = [name for name in matching if precision_of(name) == precision]
    plain = [name for name in matching if precision_of(name) == "fp32"]
    return _only(_offline_first(of_precision or plain), pattern, names)


def choose_file(names: Iterable[str], pattern: str) -> str:
    names = list(names)
    return _only([name for name in names if fnmatch(PurePosixPath(name).name, pattern)],
                 pattern, names)  # fmt: skip


def precision_of(name: str) -> Precision:
    marks = PurePosixPath(name).name.split(".")
    if "int8" in marks:
        return "int8"
    return "fp16" if "fp16" in marks else "fp32"


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _offline_first(names: list[str]) -> list[str]:
    """Without the streaming exports, which carry -chunk- in their name, if others are there."""
    return [name for name in names if "-chunk-" not in name] or names


def _only(candidates: list[str], pattern: str, names: list[str]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise CheckpointError(
            f"no {pattern} in the checkpoint; it holds: {', '.join(sorted(names)) or 'nothing'}"
        )
    raise CheckpointError(
        f"{len(candidates)} files match {pattern}: {', '.join(sorted(candidates))}; put the ones "
        "to build into a folder of their own and name it with --from"
    )
