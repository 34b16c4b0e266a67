"""The command line as a whole: what every command shares."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import auricle
from auricle import cli


def test_the_version_is_printed_without_a_command() -> None:
    result = CliRunner().invoke(cli.create_app(), ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"{auricle.__version__}\n")


def test_a_place_that_cannot_be_used_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.wav").touch()
    arguments = ["transcribe", str(tmp_path), "--resume", "--output", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["auricle", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.EXIT_FAILED
    assert capsys.readouterr().err == f"auricle: cannot use {tmp_path}: Is a directory\n"
