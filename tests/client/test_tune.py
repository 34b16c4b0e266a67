"""auricle tune, as a person or a script calls it, and what it makes of its points."""

import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from auricle import cli
from auricle.client import figures, scoring
from auricle.client.reports import Speed
from auricle.client.transport import Request, Transport
from auricle.client.tune import grid, plot, report
from auricle.client.tune.experiment import Point
from auricle.errors import AuricleError
from tests.client.conftest import Serve, free_port, write_wav

COMMAND = [str(Path(sys.executable).with_name("auricle")), "tune"]
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None,
    reason="matplotlib is not installed: pip install 'auricle[plot]'",
)


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the table below its header."""
        lines = self.out.splitlines()[2:]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


Tune = Callable[..., Ended]


@pytest.fixture
def tune(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tune:
    """tune("-u", url, "--grid", ...) runs the command line on `data` in this process."""

    def run(*arguments: object) -> Ended:
        lists = ["--wavscp", data / "wav.scp", "--trans", data / "text"]
        monkeypatch.setattr(sys, "argv", ["auricle", "tune", *map(str, [*lists, *arguments])])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a.wav, b.wav, c.wav, wav.scp and text."""
    for number, name in enumerate("abc", start=1):
        write_wav(tmp_path / f"{name}.wav", 160 * number)
    (tmp_path / "wav.scp").write_text("a a.wav\nb b.wav\nc c.wav\n")
    (tmp_path / "text").write_text("a one two\nb one two\nc one\n")
    return tmp_path


def point(rate: int, rtf: float, **setting: str) -> Point:
    """Of 100 words `rate` wrong, 10 s of audio."""
    said = " ".join("no" if number < rate else "yes" for number in range(100))
    score = scoring.score({"a": "yes " * 100}, {"a": said}, "word")
    return Point(setting, score, Speed(10 * rtf, 10.0, [1.0]), 0)


def test_a_grid_is_every_combination_in_the_order_given() -> None:
    parsed = grid.parse(["beam=4,8", "weight=0,0.5"])
    assert [tuple(setting.values()) for setting in grid.settings(parsed)] == [
        ("4", "0"), ("4", "0.5"), ("8", "0"), ("8", "0.5"),
    ]  # fmt: skip
    assert grid.describe(grid.settings(parsed)[1]) == "beam=4 weight=0.5"


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (["beam"], "give NAME=VALUE,VALUE, such as asr_beam=4,8, not 'beam'"),
        (["=4"], "not '=4'"),
        (["beam=4,,8"], "not 'beam=4,,8'"),
        (["beam=4", "beam=8"], "beam is given twice; list all its values once"),
        (["beam=4,8,4"], "beam has the value '4' twice"),
    ],
)
def test_what_is_no_grid_is_said(axes: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        grid.parse(axes)


def test_the_front_is_what_no_other_setting_beats() -> None:
    slow, middle, fast = point(1, 0.4, n="1"), point(2, 0.2, n="2"), point(5, 0.1, n="3")
    beaten, same = point(2, 0.3, n="4"), point(5, 0.1, n="5")
    points = [fast, beaten, slow, middle, same]
    assert report.front(points) == [slow, middle, fast]
    assert report.rank(points) == [slow, middle, beaten, fast, same]


def test_a_setting_that_failed_throughout_is_on_no_front() -> None:
    silent = Point({"n": "1"}, scoring.score({"a": "yes"}, {}, "word"), None, 1)
    good = point(100, 0.5, n="2")
    assert report.front([silent, good]) == [good]
    assert "| 1 | 100.00 | 0 | 1 | 0 | - | - | 1 |  |" in report.markdown([silent, good])


def test_every_setting_has_a_row_and_a_line(tune: Tune, serve: Serve) -> None:
    asked = ("--grid", "asr_beam=4,8", "--grid", "asr_bonus=0,1")
    ended = tune("-u", serve("say=one two"), *asked)
    assert ended.code == 0
    header = ended.out.splitlines()[0]
    assert header.startswith("| asr_beam | asr_bonus | WER % | ins | del | sub | RTF | audio s/s")
    assert sorted(row[:2] for row in ended.rows) == [
        ["4", "0"], ["4", "1"], ["8", "0"], ["8", "1"],
    ]  # fmt: skip
    assert {tuple(row[2:6]) for row in ended.rows} == {("20.00", "1", "0", "0")}
    assert [row[-1] for row in ended.rows] == ["*", "", "", ""]
    assert "1 of 4: asr_beam=4 asr_bonus=0: WER 20.00 %, RTF " in ended.err


def test_requests_carry_the_setting_and_the_fixed_parameters(tune: Tune, serve: Serve) -> None:
    asked, warmed_up, first, second = ["4", "8"], ["4", "4"], ["4"] * 3, ["8"] * 3
    seen = sent(tune, serve, "--grid", "asr_beam=4,8", "--parameter", "asr_language=en")
    beams = [*asked, *warmed_up, *first, *second]
    assert seen == [{"asr_language": "en", "asr_beam": beam} for beam in beams]


def sent(tune: Tune, serve: Serve, *arguments: str) -> list[dict[str, str]]:
    """The parameters of every request, in order."""
    seen: list[dict[str, str]] = []
    infer = Transport.infer
    with pytest.MonkeyPatch.context() as patched:

        async def note(transport: Transport, request: Request, deadline_s: float) -> object:
            given = {name: str(value) for name, value in request.parameters.items()}
            given.pop("asr_sample_rate")
            seen.append(given)
            return await infer(transport, request, deadline_s)

        patched.setattr(Transport, "infer", note)
        tune("-u", serve(), *arguments, "--concurrency", 1)
    return seen


def test_chinese_is_scored_by_characters(tune: Tune, serve: Serve, data: Path) -> None:
    (data / "text").write_text("a 你好世界\n", encoding="utf-8")
    ended = tune("-u", serve("say=你好世纪"), "--grid", "asr_beam=4")
    assert "| CER % |" in ended.out
    assert [row[1:5] for row in ended.rows] == [["25.00", "0", "0", "1"]]
    assert "2 utterances without a transcript" in ended.err


def test_normalized_texts_are_scored_if_asked(tune: Tune, serve: Serve, data: Path) -> None:
    (data / "text").write_text("a One, two!\n")
    assert tune("-u", serve("say=one two"), "--grid", "n=1", "--normalize").rows[0][1] == "0.00"


def test_a_refused_setting_ends_the_run_before_it_begins(tune: Tune, serve: Serve) -> None:
    ended = tune("-u", serve("ok", "invalid"), "--grid", "asr_beam=4,x")
    assert (ended.code, ended.out) == (1, "")
    assert "the server refuses asr_beam=x: WAV holds NaN at sample 3\n" in ended.err


def test_a_failed_utterance_is_counted_as_deleted_and_is_exit_1(tune: Tune, serve: Serve) -> None:
    prepared = ["ok"] * 4  # the setting asked for once, and the three of the warm-up
    server = serve("say=one two", *prepared, "invalid")
    ended = tune("-u", server, "--grid", "n=1", "--concurrency", 3)
    assert ended.code == 1
    assert ended.rows[0][-2] == "1"
    assert int(ended.rows[0][3]) > 0


def test_a_server_that_goes_is_exit_3_with_what_was_done(
    tune: Tune, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auricle.client.client.Patience.wait_s", lambda *_: 0.0)
    server = serve("say=one two", *["ok"] * (2 + 3 + 3), "lost")
    ended = tune("-u", server, "--grid", "n=1,2", "--concurrency", 3)
    assert ended.code == 3
    assert [row[0] for row in ended.rows] == ["1"]


def test_an_absent_server_is_exit_3(tune: Tune) -> None:
    ended = tune("-u", f"localhost:{free_port()}", "--grid", "n=1,2")
    assert (ended.code, ended.out) == (3, "")
    assert "no server answers at localhost" in ended.err


def test_every_point_is_kept_as_json(tune: Tune, serve: Serve, data: Path) -> None:
    path = data / "new" / "points.json"
    tune("-u", serve("say=one two"), "--grid", "n=1,2", "--parameter", "m=3", "--json", path)
    record = json.loads(path.read_text())
    assert (record["model"], record["utterances"], record["concurrency"]) == ("demo", 3, 16)
    assert record["parameters"] == {"m": "3"}
    assert record["audio_seconds"] == pytest.approx(0.06)
    first, second = record["points"]
    assert (first["setting"], second["setting"]) == ({"n": "1"}, {"n": "2"})
    assert (first["error_rate"], first["insertions"], first["failed"]) == (20.0, 1, 0)
    assert first["throughput"] == pytest.approx(1 / first["rtf"])


def test_ctrl_c_is_exit_130_with_what_was_done(serve: Serve, data: Path) -> None:
    server = serve("say=one two", *["ok"] * (2 + 3 + 3), *["slow"] * 9)
    heeds_ctrl_c = ["env", "--default-signal=INT"]  # the jobs of a script's background do not
    lists = ["--wavscp", str(data / "wav.scp"), "--trans", str(data / "text")]
    command = [*heeds_ctrl_c, *COMMAND, *lists, "-u", server, "--grid", "n=1,2"]
    command += ["--concurrency", "3"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("1 of 2: n=1: ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted; here is what was done" in err
    assert out.splitlines()[2].startswith("| 1 | 20.00 |")


def test_a_plot_without_matplotlib_is_refused_before_the_run(
    tune: Tune, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    ended = tune("-u", "localhost:1", "--grid", "n=1", "--plot", data / "points.png")
    assert ended.code == 1
    assert ended.err == (
        "auricle: a plot needs the package matplotlib: pip install 'auricle[plot]'\n"
    )


@needs_matplotlib
@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_a_plot_is_written_in_the_format_of_its_name(
    suffix: str, begins: bytes, tune: Tune, serve: Serve, data: Path
) -> None:
    path = data / f"points{suffix}"
    asked = ("--grid", "asr_beam=4,8", "--grid", "asr_bonus=0,1")
    assert tune("-u", serve("say=one two"), *asked, "--plot", path).code == 0
    assert path.read_bytes().startswith(begins)


def drawn(points: Sequence[Point], folder: Path) -> str:
    """The words of the picture, which matplotlib leaves in SVG as comments."""
    plot.save(points, folder / "points.svg", "demo")
    return (folder / "points.svg").read_text()


@needs_matplotlib
def test_several_parameters_are_drawn_as_a_front_with_names(tmp_path: Path) -> None:
    points = [
        point(1, 0.4, asr_beam="8", asr_bonus="1", asr_decoding="beam"),
        point(9, 0.3, asr_beam="8", asr_bonus="0", asr_decoding="beam"),
        point(2, 0.1, asr_beam="4", asr_bonus="1", asr_decoding="beam"),
    ]
    picture = drawn(points, tmp_path)
    for words in ("beam=8", "bonus=1", "beam=4", "RTF (wall time / audio)", "WER %", "demo"):
        assert f"<!-- {words} -->" in picture
    assert "bonus=0" not in picture
    assert "decoding" not in picture


@needs_matplotlib
@pytest.mark.parametrize("values", [("0.6", "0", "0.3"), ("greedy", "beam", "rescoring")])
def test_one_parameter_is_drawn_as_lines_over_it(values: tuple[str, ...], tmp_path: Path) -> None:
    points = [point(number, 0.1, asr_beam="4", asr_x=value) for number, value in enumerate(values)]
    picture = drawn(points, tmp_path)
    for words in (*values, "asr_x"):
        assert f"<!-- {words} -->" in picture


@needs_matplotlib
@pytest.mark.parametrize("speeds", [0, 1])
def test_few_points_are_a_picture_too(speeds: int, tmp_path: Path) -> None:
    silent = Point({"n": "1"}, scoring.score({"a": "yes"}, {}, "word"), None, 1)
    assert "<!-- demo -->" in drawn([silent, *[point(3, 0.1, n="2")][:speeds]], tmp_path)


def test_a_plot_that_cannot_be_drawn_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(AuricleError, match="pip install"):
        figures.check()
