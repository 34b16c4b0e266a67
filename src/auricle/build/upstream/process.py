"""One child process: its lines are shown as they come, its last ones are in the error."""

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from auricle.errors import ExportError

CHILD = Path(__file__).with_name("child.py")
NUM_LAST_LINES = 15


def run(
    name: str,
    command: Sequence[str | Path],
    show: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Wait for a command that is called `name` in the error; environment: in addition to ours."""
    last: deque[str] = deque(maxlen=NUM_LAST_LINES)
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as child:
        assert child.stdout is not None, "asked for by stdout=PIPE"
        try:
            for line in child.stdout:
                last.append(line.rstrip())
                show(line.rstrip())
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise ExportError(_explain(name, command, child.returncode, list(last)))


def find_python(name: str, asked: str | None, checkout: Path) -> str:
    """The interpreter that the user names, or that of the checkout's own environment."""
    if asked is not None:
        found = shutil.which(asked)
        if found is None:
            raise ExportError(f"--python {asked!r} is no program that can be started")
        return found
    for environment in (".venv", "venv"):
        python = checkout / environment / "bin" / "python"
        if os.access(python, os.X_OK):
            return str(python)
    raise ExportError(
        f"{name} needs a Python that has its requirements: name one with --python, or make the "
        f"environment {checkout / '.venv'}"
    )


def _explain(name: str, command: Sequence[str | Path], status: int, last: list[str]) -> str:
    said = "\n".join(f"    {line}" for line in last) or "    nothing"
    missing = re.search(r"No module named '([^']+)'", said)
    hint = (
        f": {command[0]} has no {missing[1]!r}; install it there, or name another interpreter with "
        "--python"
        if missing
        else ""
    )
    return f"{name} ended with status {status}{hint}. Its last lines:\n{said}"
