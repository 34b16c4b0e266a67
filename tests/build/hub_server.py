"""A small server in Hugging Face's shape, and the environment in which it is asked."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

REPO_ID = "org/tiny-transducer"
FIRST, SECOND = "1" * 40, "2" * 40  # commits


@dataclass
class Hub:
    """What the server has, and what it was asked.

    published: sha256 that it states of its large files.  cut: bytes of a file after which it hangs
    up, once.  stalled: bytes after which it says nothing more, once.  damaged: files that it sends
    with a wrong byte, once.
    """

    files: dict[str, bytes]
    revision: str = FIRST
    published: dict[str, str] = field(default_factory=dict)
    repo_id: str = REPO_ID
    cut: dict[str, int] = field(default_factory=dict)
    stalled: dict[str, int] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    end: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    address: str = ""

    def describe(self, revision: str) -> bytes:
        siblings = [
            {"rfilename": name, "size": len(content), "lfs": self._lfs(name)}
            for name, content in self.files.items()
        ]
        return json.dumps({"id": self.repo_id, "sha": revision, "siblings": siblings}).encode()

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
        repo_id = self.hub.repo_id
        if path.startswith(f"/api/models/{repo_id}"):
            asks_for_files = "/tree/" in path
            revision = (
                path.rpartition("/revision/")[2] if "/revision/" in path else self.hub.revision
            )
            self._send(200, self.hub.list() if asks_for_files else self.hub.describe(revision))
        elif path.startswith(f"/{repo_id}/resolve/"):
            revision, _, name = path.removeprefix(f"/{repo_id}/resolve/").partition("/")
            self._send_file(revision, name, requested)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _send_file(self, revision: str, name: str, requested: str | None) -> None:
        content = self._damage(name, self.hub.files[name])
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": revision,
            "Accept-Ranges": "bytes",
        }
        if requested is None:
            self._send(200, content, headers, self._cut(name))
            return
        if int(requested.removeprefix("bytes=").rstrip("-")) >= len(content):
            self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        start = int(requested.removeprefix("bytes=").rstrip("-"))
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206, content[start:], headers)

    def _cut(self, name: str) -> int | None:
        if self.command != "GET":
            return None
        return self.hub.cut.pop(name, None) or self.hub.stalled.get(name)

    def _damage(self, name: str, content: bytes) -> bytes:
        if self.command != "GET" or name not in self.hub.damaged:
            return content
        self.hub.damaged.remove(name)
        return content[:-1] + bytes([content[-1] ^ 1])

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
        if cut is not None and cut in self.hub.stalled.values():
            self.hub.stalled.clear()
            self.hub.end.wait()
        self.close_connection = cut is not None


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.end.set()
        server.shutdown()
        thread.join()
        server.server_close()


def environment(hub: Hub, folder: Path) -> dict[str, str]:
    """It is read when huggingface_hub is imported, so each run is a process."""
    ours = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(folder / "cache"),
        "HF_TOKEN": "hf_secret",
    }
    return {**os.environ, **ours}
