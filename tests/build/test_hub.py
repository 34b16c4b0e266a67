"""Downloads against a small server in Hugging Face's shape: locked, verified, continued."""

import fcntl
import hashlib
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.build import tiny
from tests.build.hub_server import FIRST, REPO_ID, SECOND, Hub, environment, serve

MIB = 1 << 20

FETCH = """
import sys
from pathlib import Path
from auricle.build.checkpoint.hub import HuggingFace, fetch
from auricle.errors import CheckpointError
choose = lambda names: [name for name in names if name != "README.md"]
try:
    checkpoint = fetch(HuggingFace(sys.argv[1]), choose, Path(sys.argv[2]))
except CheckpointError as error:
    sys.exit(str(error))
print(checkpoint.revision, checkpoint.folder)
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tiny.write_transducer(tmp_path / "published")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with serve(Hub({**files, "README.md": b"# A model card"})) as hub:
        yield hub


def run(hub: Hub, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], env=environment(hub, folder), capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def wait_for(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def fetch(hub: Hub, folder: Path, repo_id: str = REPO_ID) -> subprocess.CompletedProcess[str]:
    return run(hub, folder, "-c", FETCH, repo_id, str(folder / "lock.json"))


def read_lock(folder: Path) -> dict[str, dict[str, str | dict[str, str]]]:
    record: dict[str, dict[str, str | dict[str, str]]] = json.loads(
        (folder / "lock.json").read_text()
    )
    return record


def test_the_first_download_records_revision_and_sha256(hub: Hub, tmp_path: Path) -> None:
    answer = fetch(hub, tmp_path)
    assert answer.returncode == 0, answer.stderr
    wanted = {name: content for name, content in hub.files.items() if name != "README.md"}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in wanted.items()}
    assert read_lock(tmp_path) == {REPO_ID: {"revision": FIRST, "sha256": digests}}
    revision, _, folder = answer.stdout.strip().partition(" ")
    assert revision == FIRST
    assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == wanted


def test_a_token_of_the_environment_is_sent(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    assert "Bearer hf_secret" in hub.tokens


def test_later_downloads_ask_for_the_locked_revision(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    hub.revision = SECOND
    assert fetch(hub, tmp_path).stdout.startswith(FIRST)


def test_what_is_in_the_cache_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    hub.asked.clear()
    assert fetch(hub, tmp_path).returncode == 0
    assert not [path for _, path, _ in hub.asked if "/resolve/" in path]


def test_a_file_that_differs_from_the_lock_is_refused(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    hub.files["tokens.txt"] += b"evil 30\n"
    answer = fetch(hub, tmp_path / "elsewhere")  # no cache, no lock: taken as new
    assert answer.returncode == 0
    (tmp_path / "elsewhere" / "lock.json").write_text((tmp_path / "lock.json").read_text())
    answer = fetch(hub, tmp_path / "elsewhere")
    assert answer.returncode == 1
    assert "tokens.txt has sha256" in answer.stderr
    assert "lock.json" in answer.stderr


def test_a_file_that_differs_from_what_the_hub_states_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.published["encoder-epoch-30-avg-9.onnx"] = "0" * 64
    answer = fetch(hub, tmp_path)
    assert answer.returncode == 1
    assert f"{'0' * 64} according to Hugging Face" in answer.stderr
    assert not (tmp_path / "lock.json").exists()


def test_a_broken_download_is_continued(hub: Hub, tmp_path: Path) -> None:
    name = "encoder-epoch-30-avg-9.onnx"
    hub.files[name] = bytes(21 * MIB)
    hub.cut[name] = 12 * MIB
    answer = fetch(hub, tmp_path)
    assert answer.returncode == 0, answer.stderr
    ranges = [asked for _, path, asked in hub.asked if path.endswith(name) and asked]
    assert ranges == [f"bytes={10 * MIB}-"]  # whole chunks of 10 MiB are kept


def test_a_download_that_was_killed_is_continued_by_the_next(hub: Hub, tmp_path: Path) -> None:
    name = "encoder-epoch-30-avg-9.onnx"
    hub.files[name] = os.urandom(21 * MIB)
    hub.stalled[name] = 12 * MIB
    command = [sys.executable, "-c", FETCH, REPO_ID, str(tmp_path / "lock.json")]
    part = tmp_path / "cache" / "auricle" / "org--tiny-transducer" / FIRST / f"{name}.part"
    with subprocess.Popen(command, env=environment(hub, tmp_path)) as child:
        wait_for(lambda: part.is_file() and part.stat().st_size == 10 * MIB)
        child.kill()
    hub.asked.clear()
    answer = fetch(hub, tmp_path)
    assert answer.returncode == 0, answer.stderr
    ranges = [asked for _, path, asked in hub.asked if path.endswith(name) and asked]
    assert ranges == [f"bytes={10 * MIB}-"]
    assert part.with_suffix("").read_bytes() == hub.files[name]


def test_a_damaged_download_is_refused_and_not_kept(hub: Hub, tmp_path: Path) -> None:
    name = "encoder-epoch-30-avg-9.onnx"
    hub.published[name] = hashlib.sha256(hub.files[name]).hexdigest()
    hub.damaged.add(name)
    answer = fetch(hub, tmp_path)
    assert answer.returncode == 1
    assert f"{hub.published[name]} according to Hugging Face; it was deleted" in answer.stderr
    assert fetch(hub, tmp_path).returncode == 0


def test_progress_is_shown_on_a_terminal(hub: Hub, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    command = [sys.executable, "-c", FETCH, REPO_ID, str(tmp_path / "lock.json")]
    subprocess.run(
        command,
        env=environment(hub, tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert re.search(r"tokens\.txt: 100%", shown)


def test_progress_is_no_noise_in_a_file(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path).stderr == ""


def test_an_unknown_repository_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    answer = fetch(hub, tmp_path, "org/unknown")
    assert answer.returncode == 1
    assert answer.stderr.startswith("cannot fetch org/unknown from Hugging Face")
    assert "--from" in answer.stderr


def test_no_network_is_one_sentence(tmp_path: Path) -> None:
    answer = fetch(Hub({}, address="http://127.0.0.1:1"), tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"cannot fetch {REPO_ID} from Hugging Face")


def test_a_broken_lock_file_is_refused(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text("[]")
    assert "no lock file" in fetch(hub, tmp_path).stderr
