"""Every block of docs/http.md runs as it stands, and prints what the page says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from auricle.server import Server
from tests.conftest import ROOT

pytestmark = pytest.mark.triton

PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
BLOCKS = re.findall(
    r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", PAGE, re.MULTILINE | re.DOTALL
)
NUMBERS = range(len(BLOCKS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, test_wavs: Path) -> Path:
    """Stands for the repository's folder; a block finds the files of the blocks before it."""
    folder = tmp_path_factory.mktemp("http")
    (folder / "client").mkdir()
    (folder / "client" / "test_wavs").symlink_to(test_wavs)
    return folder


@pytest.mark.parametrize("number", NUMBERS, ids=[block[0].split()[0] for block in BLOCKS])
def test_a_block_does_what_the_page_says(number: int, demo_server: Server, folder: Path) -> None:
    script, expected = BLOCKS[number]
    for program in ("curl", "ab"):
        if re.search(rf"^{program} ", script, re.MULTILINE) and not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    script = script.replace("localhost:8000", demo_server.http_address)
    answer = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    if expected:
        assert answer.stdout.strip() == expected.strip()
    if "ab " in script:
        assert re.search(r"^Failed requests: +0$", answer.stdout, re.MULTILINE)
        assert "Non-2xx" not in (folder / "ab.txt").read_text()


def test_the_words_have_times(demo_server: Server, folder: Path) -> None:
    (script,) = [script for script, _ in BLOCKS if "result.json" in script]
    script = script.replace("localhost:8000", demo_server.http_address)
    answer = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in answer.stdout.splitlines()]
    assert [word for _, _, word in lines] == ["eleven", "purple", "up"]
    assert all(0 <= float(start) < float(end) for start, end, _ in lines)


def test_an_unknown_model_is_not_found(demo_server: Server) -> None:
    url = f"http://{demo_server.http_address}/v2/models/dema/infer"
    command = ["curl", "-sS", "-o", "-", "-w", "%{http_code}", url, "-d", "{}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.endswith("404")
