import time
from pathlib import Path

import pytest

from auricle.doctor import shell
from auricle.doctor.shell import ask


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable named `docker`, first on PATH, to be written."""
    path = tmp_path / "docker"
    path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return path


def test_no_such_program_is_no_answer() -> None:
    assert ask("no-such-program-at-all") is None


def test_an_answer_is_what_it_prints_and_its_last_line_the_complaint(program: Path) -> None:
    program.write_text("#!/bin/sh\necho $1\necho one >&2\necho two >&2\nexit 3\n")
    answer = ask("docker", "hello")
    assert answer
    assert (answer.status, answer.stdout, answer.complaint) == (3, "hello\n", "two")


def test_a_program_that_hangs_is_ended_with_its_children(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "TIMEOUT_S", 0.2)
    program.write_text("#!/bin/sh\nsleep 60 &\nsleep 60\n")
    started = time.monotonic()
    answer = ask("docker")
    assert time.monotonic() - started < 5
    assert answer
    assert answer.complaint == "no answer within 0.2 s"
