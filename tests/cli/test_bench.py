from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from auricle.cli import create_app
from auricle.errors import CheckpointError, UnreachableError
from tests.client.conftest import write_wav


@pytest.fixture
def wav(tmp_path: Path) -> str:
    path = tmp_path / "one.wav"
    write_wav(path, 1600)
    return str(path)


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(create_app(), ["bench", *arguments])


def test_a_bench_needs_audio() -> None:
    result = bench()
    assert result.exit_code == 2
    assert "name some audio" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--seconds", "2-15", "two numbers, such as 2:15"),
        ("--seconds", "15:2", "two numbers, such as 2:15"),
        ("--concurrency", "1,many", "are lists of numbers"),
        ("--concurrency", "0", "are lists of numbers above 0"),
        ("--rate", "-1", "are lists of numbers above 0"),
        ("--rate", "fast", "are lists of numbers"),
        ("--streams", "many", "is a list of numbers"),
        ("--streams", "0", "is a list of numbers above 0"),
    ],
)
def test_a_wrong_option_says_what_is_right(
    wav: str, option: str, value: str, sentence: str
) -> None:
    kind = ["--streaming"] if option == "--streams" else []
    result = bench(wav, option, value, *kind)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", "").split())


@pytest.mark.parametrize("kind", [[], ["--streaming"]])
def test_no_server_is_a_sentence(wav: str, kind: list[str]) -> None:
    result = bench(wav, "--url", "localhost:1", *kind)
    assert isinstance(result.exception, UnreachableError)


def test_a_checkpoint_is_not_written_over_files(wav: str, tmp_path: Path) -> None:
    result = bench(wav, "--make-checkpoint", str(tmp_path))
    assert isinstance(result.exception, CheckpointError)
