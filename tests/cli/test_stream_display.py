import io

import pytest
from rich.console import Console
from rich.live import Live

from auricle.cli.stream.display import Lines, Rows, Speech
from auricle.client import Partial, Segment
from auricle.client.corpus import Outcome
from auricle.errors import AudioError

FIRST = Segment(0, 0.0, 1.5, "one two", endpoint="rule2")
OPEN = Partial("three", stable="th", open_segment=Segment(0, 0.0, 1.0, "three", final=False))
CLOSED = Partial(
    "one two three",
    stable="one two th",
    segments=(FIRST,),
    open_segment=Segment(1, 1.5, 2.0, "three", final=False),
    audio_seconds=2.0,
)
LAST = Partial(
    "one two three", is_final=True, segments=(Segment(1, 1.5, 3.0, "three"),), audio_seconds=3.0
)


def shown(display: Rows | Speech, width: int = 40) -> str:
    console = Console(file=io.StringIO(), width=width, height=10, color_system=None)
    console.print(display)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_lines_tell_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for _ in range(2):
        lines.show("a", OPEN)
    lines.show("b", OPEN)
    assert capsys.readouterr().err == "a 0.00 s: th | ree\nb 0.00 s: th | ree\n"


def test_lines_tell_a_finished_segment_and_then_the_open_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines()
    for partial in (CLOSED, LAST):
        lines.show("a", partial)
    lines.correct("a", Segment(0, 0.0, 1.5, "one too"))
    assert capsys.readouterr().err.splitlines() == [
        "a 0.00 to 1.50 s: one two",
        "a 2.00 s: th | ree",
        "a 1.50 to 3.00 s: three",
        "a 0.00 to 1.50 s, second pass: one too",
    ]


def test_lines_tell_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().finish(Outcome("a", None, AudioError("a.wav is empty")))
    assert capsys.readouterr().err == "auricle: a: a.wav is empty\n"


def test_rows_show_the_newest_words_of_each_running_stream() -> None:
    rows = Rows()
    rows.show("a", Partial("x" * 60 + " end", stable="x" * 60))
    rows.show("b", OPEN)
    rows.show("c", OPEN)
    rows.finish(Outcome("c", None))
    first, second, count = shown(rows).splitlines()
    assert first == f"a {'x' * 34} end"
    assert (second, count) == ("b three", "2 streams, 1 finished")


def test_more_streams_than_a_terminal_has_lines_are_counted() -> None:
    rows = Rows()
    for number in range(40):
        rows.show(str(number), OPEN)
    *names, count = shown(rows).splitlines()
    assert len(names) == 9
    assert count == "40 streams, 0 finished"


def test_the_speech_of_one_stream_is_wrapped_below_its_finished_segments() -> None:
    console = Console(file=io.StringIO(), width=10, height=10, color_system=None)
    speech = Speech()
    with Live(speech, console=console, auto_refresh=False) as speech.live:
        speech.show("a", CLOSED)
        speech.correct("a", Segment(0, 0.0, 1.5, "one too"))
    assert isinstance(console.file, io.StringIO)
    told = " ".join(console.file.getvalue().split())
    assert "a 0.00 to 1.50 s: one two" in told
    assert "a 0.00 to 1.50 s, second pass: one too" in told
    assert shown(speech, width=10) == "three\n"
    speech.show("a", Partial("one two three four", stable="one two three four"))
    assert shown(speech, width=10).split() == ["one", "two", "three", "four"]
