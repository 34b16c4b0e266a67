"""Hypotheses as lines, in the order of the input: Kaldi's text form, or JSON objects."""

import dataclasses
import json
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from auricle.client.corpus import Outcome
from auricle.errors import ManifestError

LineOf = Callable[[Outcome], str | None]


class Writer:
    """Writes a line an outcome, in the order of `ids`: an outcome waits for those before it.

    Leaving the context writes what still waits, so that an interrupted run loses nothing.
    """

    def __init__(self, ids: Iterable[str], stream: TextIO, line_of: LineOf) -> None:
        self._expected = deque(ids)
        self._held: dict[str, Outcome] = {}
        self._stream, self._line_of = stream, line_of

    def add(self, outcome: Outcome) -> None:
        self._held[outcome.id] = outcome
        while self._expected and self._expected[0] in self._held:
            self._write(self._expected.popleft())

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._expected:
            if name in self._held:
                self._write(name)

    def _write(self, name: str) -> None:
        line = self._line_of(self._held.pop(name))
        if line is not None:
            self._stream.write(f"{line}\n")
            self._stream.flush()


def kaldi_line(outcome: Outcome) -> str | None:
    """`<id> <text>`; nothing for an utterance that failed, so that it can be tried again."""
    if outcome.transcription is None:
        return None
    return " ".join([outcome.id, *outcome.transcription.text.split()])


def json_line(outcome: Outcome, model: str) -> str:
    """One object an utterance: text, language, tags and words, or the error; a stream's times."""
    record: dict[str, object] = {"id": outcome.id, "model": model}
    if outcome.transcription is None:
        return json.dumps({**record, "text": None, "error": str(outcome.error)})
    done, result = outcome.transcription, outcome.transcription.result
    words = [dataclasses.asdict(word) for word in result.words] if result else []
    record |= {
        "text": done.text,
        "language": result.language if result else None,
        "tags": dict(result.tags) if result else {},
        "words": words,
        "audio_seconds": done.audio_seconds,
        "latency_s": round(done.latency_s, 6),
        "attempts": done.attempts,
        "error": None,
    }
    if done.times:
        segments = result.segments if result else ()
        record |= {
            "segments": [dataclasses.asdict(segment) for segment in segments],
            "times": dataclasses.asdict(done.times),
        }
    if done.first_pass is not None:
        record["first_pass"] = done.first_pass
    return json.dumps(record, ensure_ascii=False)


def keep_finished(path: Path, *, as_json: bool) -> dict[str, str]:
    """The transcripts that an output file holds, by id; drops failures and a torn last line."""
    if not path.exists():
        return {}
    *lines, _torn = path.read_text(encoding="utf-8").split("\n")
    read = _read_json if as_json else _read_kaldi
    finished = {}
    kept = []
    for line in filter(None, lines):
        try:
            name, text = read(line)
        except (ValueError, KeyError, TypeError) as error:
            raise ManifestError(
                f"{path} does not hold what --resume expects: {line!r} ({error})"
            ) from error
        if text is not None:
            finished[name] = text
            kept.append(line)
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return finished


def _read_kaldi(line: str) -> tuple[str, str]:
    if line.startswith("{"):
        raise ValueError("it holds JSON")
    name, _, text = line.partition(" ")
    return name, text


def _read_json(line: str) -> tuple[str, str | None]:
    record = json.loads(line)
    return record["id"], record["text"]
