"""Which files of a checkpoint make a model: names in, names out."""

import hashlib
import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Literal

from auricle.errors import CheckpointError

Precision = Literal["fp32", "fp16", "bf16", "int8"]

# icefall's streaming exports are named after their chunk and its left context
STREAMING_MARK = re.compile(r"-chunk-(?P<chunk>\d+)-left-(?P<left>\d+)")


def list_files(folder: Path) -> list[str]:
    """Paths below the folder, relative, sorted; CheckpointError if there is no such folder."""
    if folder.is_file():
        raise CheckpointError(f"{folder} is a file; name the folder that holds the checkpoint")
    if not folder.is_dir():
        raise CheckpointError(f"no checkpoint folder {folder}")
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def choose_graph(
    names: Iterable[str], pattern: str, precision: Precision, *, streaming: bool = False
) -> str:
    """The one ONNX file that matches, in this precision; a plain one stands in for a reduced one.

    streaming: which to take where the names show both; of several left contexts, the longest.

    Names say the precision: encoder.int8.onnx of icefall, encoder_fp16.onnx of WeNet,
    model_quant.onnx of FunASR.
    """
    names = sorted(names)
    graphs = matching(names, pattern)
    reduced = [name for name in graphs if precision_of(name) == precision]
    plain = [name for name in graphs if precision_of(name) == "fp32"]
    candidates = reduced or plain
    wanted = [name for name in candidates if bool(STREAMING_MARK.search(name)) == streaming]
    return _only(_longest_context(wanted or candidates), f"{precision} {pattern}", names)


def _longest_context(graphs: list[str]) -> list[str]:
    """Of exports that differ in nothing but their left context, the one with the longest."""
    marks = {name: STREAMING_MARK.search(name) for name in graphs}
    found = {name: int(mark["left"]) for name, mark in marks.items() if mark}
    chunks = {STREAMING_MARK.sub(rf"-chunk-{mark['chunk']}", name)
              for name, mark in marks.items() if mark}  # fmt: skip
    if len(found) < len(graphs) or len(chunks) != 1:
        return graphs
    return [max(found, key=lambda name: found[name])]


def choose_file(names: Iterable[str], *patterns: str) -> str:
    """The one file that matches the first pattern that any file matches."""
    names = sorted(names)
    found = (matching(names, pattern) for pattern in patterns)
    return _only(next(filter(None, found), []), " or ".join(patterns), names)


def precision_of(name: str) -> Precision:
    marks = re.split(r"[._]", PurePosixPath(name).name)
    if "int8" in marks or "quant" in marks:
        return "int8"
    if "bf16" in marks:
        return "bf16"
    return "fp16" if "fp16" in marks else "fp32"


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """The names whose last part matches."""
    return [name for name in names if fnmatch(PurePosixPath(name).name, pattern)]


def _only(candidates: list[str], wanted: str, names: list[str]) -> str:
    if not candidates:
        raise CheckpointError(
            f"no {wanted} in the checkpoint; it holds: {', '.join(names) or 'nothing'}"
        )
    if len(candidates) > 1:
        raise CheckpointError(
            f"{len(candidates)} files are {wanted}: {', '.join(candidates)}; put the ones to build "
            "into a folder of their own and name it with --from"
        )
    return candidates[0]
