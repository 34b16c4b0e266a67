import json
import subprocess
import sys
from datetime import datetime

import pytest

from auricle.errors import RepositoryError
from auricle.serve.backend.outcomes import (
    Outcome,
    StreamOutcome,
    UnfitRequestError,
    Utterance,
)
from auricle.serve.backend.request_log import RequestLog, open_log
from auricle.serve.stream import Partial
from auricle.serve.tokens import Transcript
from auricle.spec import LOG_REQUESTS

PIPE_KEEPS_WHOLE = 4096  # PIPE_BUF of Linux
HEARD = Outcome(
    [Utterance(Transcript("eleven up", [], []), 1.5), Utterance(Transcript("süß", [], []), 0.25)],
    audio_seconds=[1.5, 0.25],
    batch=4,
    compute_s=0.0123456,
)
WRITER = """
import sys
from auricle.serve.backend.outcomes import Outcome
from auricle.serve.backend.request_log import RequestLog

for number in range(200):
    RequestLog(sys.argv[1]).write(f"{number}".ljust(200, "x"), "ok", Outcome())
"""


def test_an_answered_request_has_its_figures() -> None:
    record = RequestLog("demo").record("id-7", "ok", HEARD)
    assert datetime.fromisoformat(str(record.pop("time")).replace("Z", "+00:00")).tzinfo
    assert record == {
        "model": "demo",
        "request_id": "id-7",
        "status": "ok",
        "reason": None,
        "utterances": 2,
        "audio_seconds": 1.75,
        "batch": 4,
        "compute_ms": 12.346,
        "characters": 12,
        "error": None,
    }


def test_what_was_said_is_written_only_when_asked() -> None:
    assert "eleven" not in json.dumps(RequestLog("demo").record("", "ok", HEARD))
    record = RequestLog("demo", text=True).record("", "ok", HEARD)
    assert record["text"] == ["eleven up", "süß"]


def test_a_refused_request_has_its_reason_and_its_sentence() -> None:
    outcome = Outcome(error=UnfitRequestError("empty", "the audio is empty: 0 samples"))
    record = RequestLog("demo").record("", "INVALID_ARG", outcome)
    assert (record["status"], record["reason"]) == ("INVALID_ARG", "empty")
    assert record["error"] == "the audio is empty: 0 samples"
    assert (record["utterances"], record["audio_seconds"]) == (None, None)


def test_a_chunk_of_a_stream_has_its_stream_and_what_it_made_final() -> None:
    partial = Partial("go left at", "go left", " left", (), 2.5, is_final=False)
    outcome = StreamOutcome(audio_seconds=[0.5], batch=3, stream_id=77, partial=partial)
    record = RequestLog("live", text=True).record("", "ok", outcome)
    assert (record["stream"], record["audio_seconds"], record["batch"]) == (77, 0.5, 3)
    assert (record["characters"], record["text"]) == (len(" left"), [" left"])


def test_a_refused_chunk_has_its_stream() -> None:
    outcome = StreamOutcome(error=UnfitRequestError("stream", "there is none"), stream_id="a")
    record = RequestLog("live").record("", "INVALID_ARG", outcome)
    assert (record["stream"], record["reason"], record["characters"]) == ("a", "stream", 0)


@pytest.mark.parametrize("letter", ["x", "\n", "\u20ac", "\U0001f600"])
def test_no_caller_makes_a_line_longer_than_a_pipe_keeps_whole(
    letter: str, capfd: pytest.CaptureFixture[str]
) -> None:
    long = letter * 100_000
    error = UnfitRequestError("unknown_parameter", long)
    RequestLog("m" * 200).write(long, "INVALID_ARG", Outcome(error=error))
    (line,) = capfd.readouterr().out.splitlines()
    assert len(line.encode()) < PIPE_KEEPS_WHOLE
    assert json.loads(line)["error"][0] == letter


def test_lines_of_many_processes_stay_whole_in_one_pipe() -> None:
    writers = [f"{sys.executable} -c '{WRITER}' {name}" for name in ("one", "two", "three", "four")]
    command = "".join(f"{writer} & " for writer in writers) + "wait"
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    records = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len({(record["model"], record["request_id"]) for record in records}) == 800


@pytest.mark.parametrize("value", [None, "", "0"])
def test_it_is_off_unless_asked(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv(LOG_REQUESTS, raising=False)
    if value is not None:
        monkeypatch.setenv(LOG_REQUESTS, value)
    assert open_log("demo") is None


@pytest.mark.parametrize(("value", "text"), [("1", False), ("text", True)])
def test_the_environment_turns_it_on(
    monkeypatch: pytest.MonkeyPatch, value: str, text: bool
) -> None:
    monkeypatch.setenv(LOG_REQUESTS, value)
    assert open_log("demo") == RequestLog("demo", text=text)


def test_an_unknown_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOG_REQUESTS, "yes")
    with pytest.raises(RepositoryError, match="AURICLE_LOG_REQUESTS is 'yes'; known: 0, 1, text"):
        open_log("demo")
