"""What an exporter is given, and what it has to leave behind."""

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import list_files
from auricle.build.upstream import Request
from auricle.errors import CheckpointError, ExportError


def check_graphs(folder: Path) -> None:
    """CheckpointError for a folder that has weights, but was not exported."""
    suffixes = {PurePosixPath(name).suffix for name in list_files(folder)}
    if suffixes & {".pt", ".nemo"} and ".onnx" not in suffixes:
        raise CheckpointError(f"{folder} holds weights, but no graph: add --export")


def take(request: Request, names: Iterable[str]) -> None:
    """Copy what is built together with the graphs into the folder of the graphs."""
    for name in names:
        target = request.out / PurePosixPath(name).name
        shutil.copyfile(request.checkpoint.folder / name, target)


def link(path: Path, target: Path) -> None:
    """Weights are not copied."""
    target.symlink_to(path.resolve())


def exported(name: str, request: Request) -> Checkpoint:
    """The checkpoint that the exporter wrote; it is still said to come from where it came from."""
    if not list(request.out.glob("*.onnx")):
        raise ExportError(f"{name} ended well, but wrote no .onnx file")
    return Checkpoint(request.out, request.checkpoint.location, request.checkpoint.revision)
