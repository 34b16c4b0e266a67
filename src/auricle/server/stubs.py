"""The processes of Python models, which Triton starts as its children, and never again."""

import contextlib
from pathlib import Path

PROC = Path("/proc")
ENDED = "Z"  # a process that has ended and whose parent has not asked how; see proc(5)


def dead_stubs(triton: int) -> set[int]:
    """Those that died by themselves: one that Triton has unloaded is reaped within a moment."""
    return {int(entry.name) for entry in PROC.iterdir() if has_died(entry, triton)}


def has_died(entry: Path, parent: int) -> bool:
    if entry.name.isdecimal():
        with contextlib.suppress(OSError):  # it may be gone between the listing and the reading
            state, its_parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            return state == ENDED and its_parent == str(parent)
    return False
