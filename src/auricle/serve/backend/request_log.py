"""One line of JSON a request on the stub's stdout, which is the server's log."""

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal, get_args

from auricle import spec
from auricle.errors import RepositoryError
from auricle.serve.backend.outcomes import Outcome, StreamOutcome, reason_of

Mode = Literal["0", "1", "text"]
STDOUT = 1
MAX_CHARS = 256  # of what a caller chose; a pipe keeps lines of up to 4096 bytes whole


@dataclass(frozen=True)
class RequestLog:
    """text: whether what was said is written, too."""

    model: str
    text: bool = False

    def write(self, request_id: str, status: str, outcome: Outcome) -> None:
        """One write call a line: lines of other instances, which share the log, stay whole."""
        line = json.dumps(self.record(request_id, status, outcome), ensure_ascii=False) + "\n"
        with contextlib.suppress(OSError):  # a full disk is no reason to fail a request
            os.write(STDOUT, line.encode())

    def record(
        self, request_id: str, status: str, outcome: Outcome
    ) -> dict[str, str | int | float | list[str] | None]:
        now, error = datetime.now(timezone.utc), outcome.error
        seconds = outcome.audio_seconds
        texts = outcome.texts
        stream = {"stream": outcome.stream_id} if isinstance(outcome, StreamOutcome) else {}
        return {
            "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "model": self.model,
            "request_id": request_id[:MAX_CHARS],
            "status": status,
            "reason": reason_of(error) if error else None,
            "utterances": None if seconds is None else len(seconds),
            "audio_seconds": None if seconds is None else round(sum(seconds), 3),
            "batch": outcome.batch,
            "compute_ms": round(outcome.compute_s * 1000, 3),
            "characters": sum(map(len, texts)),
            "error": str(error)[:MAX_CHARS] if error else None,
            **stream,
            **({"text": texts} if self.text else {}),
        }


def open_log(model: str) -> RequestLog | None:
    """What the environment asks for; None is no log. RepositoryError if it asks for no mode."""
    mode = os.environ.get(spec.LOG_REQUESTS) or "0"
    if mode not in get_args(Mode):
        raise RepositoryError(
            f"{spec.LOG_REQUESTS} is {mode!r}; known: {', '.join(get_args(Mode))}"
        )
    return None if mode == "0" else RequestLog(model, text=mode == "text")
