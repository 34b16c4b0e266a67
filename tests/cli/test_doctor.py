import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from auricle import doctor
from auricle.cli import create_app
from auricle.doctor import Section, shell
from auricle.doctor.finding import fail, ok, warn


def run(*arguments: str) -> Result:
    return CliRunner().invoke(create_app(), ["doctor", *arguments])


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[Section]:
    findings = [
        ok("CPUs", "2"),
        warn("memory", "little", "end other programs " * 8 + "or `run this one command as it is`"),
    ]
    sections = [Section("This machine", findings)]
    monkeypatch.setattr(doctor, "examine", lambda target, tag: sections)
    return sections


def test_warnings_pass(two: list[Section]) -> None:
    result = run()
    assert result.exit_code == 0
    assert "1 ok, 1 warn, 0 FAIL" in result.stdout


def test_one_failure_is_the_exit_code(two: list[Section]) -> None:
    two[0].findings.append(fail("port 8000", "taken", "stop it"))
    result = run()
    assert result.exit_code == 1
    assert "  FAIL  port 8000" in result.stdout


def test_lines_fit_and_commands_stay_whole(two: list[Section]) -> None:
    lines = run().stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert any("`run this one command as it is`" in line for line in lines)


@pytest.mark.parametrize("target", ["auto", "laptop"])
def test_auto_says_what_it_left_out(
    target: str, two: list[Section], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "missing_tools", lambda: {doctor.Target.gpu: "nvidia-smi"})
    said = "Not looked at, for want of nvidia-smi: --target gpu" in run("--target", target).stdout
    assert said is (target == "auto")


def test_json_says_the_same(two: list[Section]) -> None:
    report = json.loads(run("--json").stdout)
    assert report["counts"] == {"ok": 1, "warn": 1, "FAIL": 0}
    assert report["findings"][0] == {
        "section": "This machine",
        "level": "ok",
        "subject": "CPUs",
        "found": "2",
        "advice": "",
    }


def test_a_daemon_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nsleep 60\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(shell, "TIMEOUT_S", 0.2)
    started = time.monotonic()
    result = run("--target", "docker")
    assert time.monotonic() - started < 5
    assert result.exit_code == 1
    assert "no answer within 0.2 s" in result.stdout
