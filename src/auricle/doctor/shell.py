"""Ask another program, which may be absent or hang."""

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass

TIMEOUT_S = 4.0
ENGLISH = {"LC_ALL": "C"}  # so that the messages are those that we know


@dataclass(frozen=True)
class Answer:
    """status: the exit code; None where the program did not end in time."""

    status: int | None
    stdout: str
    stderr: str

    @property
    def is_ok(self) -> bool:
        return self.status == 0

    @property
    def complaint(self) -> str:
        """One line of what it says against us."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit code {self.status}"


def ask(*command: str, timeout_s: float | None = None) -> Answer | None:
    """None if there is no such program.  timeout_s: TIMEOUT_S if none is given."""
    timeout_s = timeout_s or TIMEOUT_S
    if shutil.which(command[0]) is None:
        return None
    process = subprocess.Popen(
        command,
        env={**os.environ, **ENGLISH},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # docker's plugins are processes of their own, to be ended with it
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Answer(None, "", f"no answer within {timeout_s:g} s")
    return Answer(process.returncode, stdout, stderr)
