import io
import json
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.client.corpus import Outcome
from auricle.client.outputs import Writer, json_line, kaldi_line, keep_finished
from auricle.client.results import Result, Segment, Transcription, Word
from auricle.errors import AudioError, ManifestError


def outcome(name: str, text: str = "one two", result: Result | None = None) -> Outcome:
    return Outcome(name, Transcription(text, result, audio_seconds=1.5, latency_s=0.25))


FAILED = Outcome("bad", None, AudioError("bad.wav is empty"))
NAMES = [str(number) for number in range(6)]


def written(names: list[str], come: list[Outcome]) -> list[str]:
    stream = io.StringIO()
    with Writer(names, stream, kaldi_line) as writer:
        for one in come:
            writer.add(one)
    return stream.getvalue().splitlines()


@settings(deadline=None)
@given(st.permutations(NAMES))
def test_lines_keep_the_order_of_the_input(come: list[str]) -> None:
    assert written(NAMES, [outcome(name, name) for name in come]) == [f"{n} {n}" for n in NAMES]


@settings(deadline=None)
@given(st.permutations(NAMES), st.integers(0, len(NAMES)))
def test_an_interrupted_run_loses_nothing(come: list[str], reached: int) -> None:
    lines = written(NAMES, [outcome(name, name) for name in come[:reached]])
    assert lines == [f"{n} {n}" for n in NAMES if n in come[:reached]]


def test_a_line_is_written_as_soon_as_its_turn_has_come() -> None:
    stream = io.StringIO()
    with Writer(["a", "b"], stream, kaldi_line) as writer:
        writer.add(outcome("b"))
        assert stream.getvalue() == ""
        writer.add(outcome("a"))
        assert stream.getvalue() == "a one two\nb one two\n"


def test_a_failure_has_no_kaldi_line_and_silence_has_only_its_id() -> None:
    assert kaldi_line(FAILED) is None
    assert kaldi_line(outcome("quiet", "")) == "quiet"
    assert kaldi_line(outcome("a", "one\n two ")) == "a one two"


def test_a_json_line_says_everything() -> None:
    words = (Word("one", 0.1, 0.2, 0.9),)
    segments = (Segment(0, 0.0, 1.5, "one", words=words),)
    result = Result("demo", "one", "en", {"emotion": "HAPPY"}, segments=segments)
    assert json.loads(json_line(outcome("a", "one", result), "demo")) == {
        "id": "a",
        "model": "demo",
        "text": "one",
        "language": "en",
        "tags": {"emotion": "HAPPY"},
        "words": [{"text": "one", "start": 0.1, "end": 0.2, "confidence": 0.9}],
        "audio_seconds": 1.5,
        "latency_s": 0.25,
        "attempts": 1,
        "error": None,
    }
    assert json.loads(json_line(FAILED, "demo"))["error"] == "bad.wav is empty"


@pytest.mark.parametrize("as_json", [False, True])
def test_resuming_keeps_the_finished_and_drops_the_torn(tmp_path: Path, as_json: bool) -> None:
    line_of = partial(json_line, model="demo") if as_json else kaldi_line
    lines = [line_of(one) for one in (outcome("a"), FAILED, outcome("b", ""), outcome("c"))]
    text = "".join(f"{line}\n" for line in lines if line)
    path = tmp_path / "hyp"
    path.write_text(text[:-3])
    finished = {"a": "one two", "b": ""}
    assert keep_finished(path, as_json=as_json) == finished
    assert len(path.read_text().splitlines()) == 2
    assert keep_finished(path, as_json=as_json) == finished


def test_resuming_without_a_file_starts_at_the_beginning(tmp_path: Path) -> None:
    assert keep_finished(tmp_path / "absent", as_json=False) == {}


def test_resuming_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hyp"
    path.write_text("a one two\n")
    with pytest.raises(ManifestError, match="does not hold what --resume expects"):
        keep_finished(path, as_json=True)
    path.write_text('{"id": "a", "text": "one"}\n')
    with pytest.raises(ManifestError, match="it holds JSON"):
        keep_finished(path, as_json=False)
    assert path.read_text()
