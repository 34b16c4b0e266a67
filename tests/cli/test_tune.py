from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from auricle.cli import create_app
from auricle.errors import AudioError, ManifestError
from tests.client.conftest import write_wav


@pytest.fixture
def lists(tmp_path: Path) -> list[str]:
    """wav.scp of one utterance, and its text."""
    write_wav(tmp_path / "a.wav", 160)
    (tmp_path / "wav.scp").write_text("a a.wav\n")
    (tmp_path / "text").write_text("a one\n")
    return ["--wavscp", str(tmp_path / "wav.scp"), "--trans", str(tmp_path / "text")]


def tune(*arguments: str) -> Result:
    return CliRunner().invoke(create_app(), ["tune", *arguments])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing option '--grid'"),
        (["--grid", "asr_beam"], "give NAME=VALUE,VALUE, such as asr_beam=4,8, not 'asr_beam'"),
        (["--grid", "n=1", "--grid", "n=2"], "n is given twice"),
        (["--grid", "n=1", "--parameter", "n=2"], "n is given by --grid and by --parameter"),
        (["--grid", "n=1", "--plot", "points.txt"], "points.txt ends in none of .pdf, .png, .svg"),
        (["--grid", "n=1", "--concurrency", "0"], "greater than or equal to 1"),
    ],
)
def test_a_wrong_option_says_what_is_right(
    lists: list[str], arguments: list[str], sentence: str
) -> None:
    result = tune(*lists, *arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", "").split())


@pytest.mark.parametrize("given", [slice(0, 0), slice(0, 2), slice(2, 4)])
def test_audio_and_transcripts_are_both_needed(lists: list[str], given: slice) -> None:
    result = tune("--grid", "n=1", *lists[given])
    assert result.exit_code == 2
    assert "give --wavscp and --trans" in result.stderr


def test_transcripts_of_other_audio_are_an_error(lists: list[str]) -> None:
    Path(lists[3]).write_text("b one\n")
    assert isinstance(tune(*lists, "--grid", "n=1").exception, ManifestError)


def test_audio_that_cannot_be_read_ends_the_command(lists: list[str]) -> None:
    Path(lists[1]).write_text("a gone.wav\n")
    assert isinstance(tune(*lists, "--grid", "n=1").exception, AudioError)
