"""Downloads against a small server in Hugging Face's shape: locked, verified, continued."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.build import tiny

REPO_ID = "org/tiny-transducer"
MIB = 1 << 20
FIRST, SECOND = "1" * 40, "2" * 40  # commits

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


@dataclass
class Hub:
    """What the server has, and what it was asked.

    published: sha256 that it states of its large files.  cut: bytes of a file after which it hangs
    up, once.
    """

    files: dict[str, bytes]
    revision: str = FIRST
    published: dict[str, str] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    address: str = ""

    def describe(self, revision: str) -> bytes:
        siblings = [
            {"rfilename": name, "size": len(content), "lfs": self._lfs(name)}
            for name, content in self.files.items()
        ]
        return json.dumps({"id": REPO_ID, "sha": revision, "siblings": siblings}).encode()

    def list(self) -> bytes:
        return json.dumps(
            [
                {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
                for name, content in self.files.items()
            ]
        ).encode()

    def _lfs(self, name: str) -> dict[str, str | int] | None:
        if name not in self.published:
            return None
        size = len(self.files[name])
        return {"sha256": self.published[name], "size": size, "pointerSize": 100}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        requested = self.headers.get("Range")
        self.hub.asked.append((self.command, path, requested))
        self.hub.tokens.add(self.headers.get("Authorization"))
        if path.startswith(f"/api/models/{REPO_ID}"):
            asks_for_files = "/tree/" in path
            revision = (
                path.rpartition("/revision/")[2] if "/revision/" in path else self.hub.revision
            )
            self._send(200, self.hub.list() if asks_for_files else self.hub.describe(revision))
        elif path.startswith(f"/{REPO_ID}/resolve/"):
            revision, _, name = path.removeprefix(f"/{REPO_ID}/resolve/").partition("/")
            self._send_file(revision, name, requested)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _send_file(self, revision: str, name: str, requested: str | None) -> None:
        content = self.hub.files[name]
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": revision,
            "Accept-Ranges": "bytes",
        }
        if requested is None:
            self._send(200, content, headers, self._cut(name))
            return
        start = int(requested.removeprefix("bytes=").rstrip("-"))
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206, content[start:], headers)

    def _cut(self, name: str) -> int | None:
        return self.hub.cut.pop(name, None) if self.command == "GET" else None

    def _send(
        self, code: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None
    ) -> None:
        self.send_response(code)
        for key, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])
        self.close_connection = cut is not None


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tiny.write_transducer(tmp_path / "published")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub = Hub({**files, "README.md": b"# A model card"})
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


def run(hub: Hub, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """The environment is read when huggingface_hub is imported, so each run is a process."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(folder / "cache"),
        "HF_TOKEN": "hf_secret",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )


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
