"""The client's container against the server's, as `docker compose run --rm client` starts it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.project import ROOT, Project

pytestmark = pytest.mark.docker
CALLER = 1234
TRANSCRIBE = ("transcribe", "--wavscp", "/data/wav.scp", "--trans", "/data/text")


@pytest.fixture
def project(demo_project: Project, results: Path) -> Project:
    """The demo, with a folder of ours for the client's results."""
    os.chown(results, CALLER, CALLER)
    return Project(
        variables={"AURICLE_RESULTS": str(results)},
        name=demo_project.name,
        ports=demo_project.ports,
    )


def test_it_scores_as_make_demo_does(project: Project, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [str(Path(sys.executable).parent / "auricle"), "demo", "--root", str(ROOT)]
    subprocess.run(
        [*command, "--report", str(report)], check=True, cwd=tmp_path, capture_output=True
    )
    answer = project.compose("run", "--rm", "--no-TTY", "client", *TRANSCRIBE)
    assert len(answer.stdout.splitlines()) == 40
    rate = re.search(r"%WER ([\d.]+)", answer.stderr)
    assert rate
    assert float(rate[1]) == pytest.approx(json.loads(report.read_text())["wer"], abs=0.005)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of somebody else's")
def test_what_it_writes_is_the_callers(project: Project, results: Path) -> None:
    project.compose(
        "run", "--rm", "--no-TTY", "client", *TRANSCRIBE,
        "--output", "hypotheses.txt", "--log-dir", "reports",
    )  # fmt: skip
    written = [path for path in results.rglob("*") if path.is_file()]
    assert {path.name.split("-")[0] for path in written} == {"hypotheses.txt", "recogs", "errs"}
    assert {(path.stat().st_uid, path.stat().st_gid) for path in written} == {(CALLER, CALLER)}


@pytest.mark.parametrize("variable", ["AURICLE_RESULTS", "AURICLE_AUDIO"])
def test_a_folder_that_is_absent_is_named_and_not_made(
    demo_project: Project, tmp_path: Path, variable: str
) -> None:
    project = Project(
        variables={variable: str(tmp_path / "absent")},
        name=demo_project.name,
        ports=demo_project.ports,
    )
    answer = project.compose("run", "--rm", "--no-TTY", "client", "--version", check=False)
    assert answer.returncode != 0
    assert "absent" in answer.stderr
    assert not (tmp_path / "absent").exists()
