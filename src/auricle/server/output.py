"""What Triton and its models print: into a file, or to our stderr with the last lines kept."""

import contextlib
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from auricle.errors import ServerError
from auricle.server import log

KEPT_LINES = 2000
LAST_WORDS_S = 2.0


class Output:
    """file: None is our stderr."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._tail: deque[bytes] = deque(maxlen=KEPT_LINES)
        self._copying = threading.Thread(target=self._copy, name="Triton's log", daemon=True)
        self._pipe: IO[bytes] | None = None

    def start(
        self, command: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """A process in a group of its own whose output is taken; ServerError if it cannot be."""
        with self._open() as target:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=target or subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if process.stdout:
            self._pipe = process.stdout
            self._copying.start()
        return process

    def explain(self) -> str:
        """What the output says, to go on with a sentence that reports an end."""
        if self.file:
            text = self.file.read_text(encoding="utf-8", errors="replace")
            return f"; its log {self.file} says:\n{log.explain(text)}"
        self.finish()
        text = b"".join(self._tail).decode(errors="replace")
        return f"; its log above says:\n{log.explain(text)}"

    def finish(self) -> None:
        """Wait for what a process that has ended still has in the pipe."""
        if self._pipe:
            self._copying.join(LAST_WORDS_S)

    def _open(self) -> contextlib.AbstractContextManager[IO[bytes] | None]:
        if self.file is None:
            return contextlib.nullcontext()
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            return self.file.open("wb")
        except OSError as error:
            raise ServerError(
                f"cannot write the log {self.file} ({error.strerror}); choose another with "
                "--log-file"
            ) from error

    def _copy(self) -> None:
        """Line by line until nobody writes; a stderr that is gone must not stop the reading."""
        assert self._pipe, "a process was started"
        with self._pipe:
            for line in self._pipe:
                self._tail.append(line)
                with contextlib.suppress(OSError, ValueError):
                    sys.stderr.buffer.write(line)
                    sys.stderr.buffer.flush()
