from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from auricle.cli import create_app
from auricle.cli.repo import quantity
from auricle.errors import RepositoryError
from tests.bucket.conftest import read, write

MODEL = {"demo/config.pbtxt": b'name: "demo"', "demo/1/model.onnx": b"\0" * 3400}


def repo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(create_app(), ["repo", *map(str, arguments)])


def test_every_file_is_a_line_and_the_last_one_the_sum(url: str, tmp_path: Path) -> None:
    result = repo("push", write(tmp_path, MODEL), url)
    assert result.stdout.splitlines() == [
        "push demo/1/model.onnx (3.4 kB)",
        "push demo/config.pbtxt (12 B)",
        "push 2 (3.4 kB), delete 0; equal already 0",
    ]


def test_pull_fills_a_folder_and_deletes_only_when_asked(url: str, tmp_path: Path) -> None:
    repo("push", write(tmp_path / "source", MODEL), url)
    target = write(tmp_path / "target", {**MODEL, "old/config.pbtxt": b""})
    assert repo("pull", url, target).stdout == "pull 0 (0 B), delete 0; equal already 2\n"
    assert "delete old/config.pbtxt\n" in repo("pull", url, target, "--delete").stdout
    assert read(target) == MODEL


def test_a_dry_run_changes_nothing(url: str, tmp_path: Path) -> None:
    source = write(tmp_path / "source", MODEL)
    assert "would push demo/config.pbtxt" in repo("push", source, url, "--dry-run").stdout
    repo("push", source, url)
    target = write(tmp_path / "target", {"old/config.pbtxt": b""})
    assert "would delete old" in repo("pull", url, target, "--delete", "--dry-run").stdout
    assert read(target) == {"old/config.pbtxt": b""}


def test_what_is_no_repository_ends_with_our_error(url: str, tmp_path: Path) -> None:
    assert isinstance(repo("push", tmp_path, url).exception, RepositoryError)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (3400, "3.4 kB"), (56_700_000, "56.7 MB"), (2e13, "20000.0 GB")],
)
def test_sizes_are_read_at_a_glance(size: float, text: str) -> None:
    assert quantity(size) == text
