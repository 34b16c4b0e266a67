"""The access key: a server answers its restricted calls only to those who send it.

Triton checks it before a call that changes the server, such as loading a model. `auricle serve`
and the tools of the same user find it in a file of the user's cache, made at first use; to other
machines and containers AURICLE_KEY tells it, or AURICLE_KEY_FILE, the path of a file that holds it.
The key is never printed or logged.
"""

import contextlib
import os
import re
import secrets
import uuid
from pathlib import Path

from auricle.errors import AccessError

HTTP_HEADER = "auricle-key"
GRPC_METADATA = f"triton-grpc-protocol-{HTTP_HEADER}"  # the prefix is Triton's
VARIABLE, FILE_VARIABLE = "AURICLE_KEY", "AURICLE_KEY_FILE"

CARRIED = re.compile(r"[!-~]+")  # what a header may hold
SYNTAX = set(":=,")  # of Triton's flags
LOCAL = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104  # compared, not bound


def cache_folder() -> Path:
    """Where Auricle keeps what it can make again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "auricle"


def find_key() -> str:
    """The key of a server that is started here, made if there is none yet."""
    if key := told_key():
        return key
    path = key_file()
    if not path.is_file():
        make_key(path)
    return read_key(path)


def key_for(host: str) -> str | None:
    """The key to send to a host; this user's own goes to no other machine."""
    if key := told_key():
        return key
    path = key_file()
    return read_key(path) if host in LOCAL and path.is_file() else None


def told_key() -> str | None:
    """What the environment says."""
    if key := os.environ.get(VARIABLE):
        return check_key(key, VARIABLE)
    if path := os.environ.get(FILE_VARIABLE):
        return read_key(Path(path))
    return None


def key_file() -> Path:
    return cache_folder() / "key"


def make_key(path: Path) -> None:
    """The file appears whole; two processes may do so at once, and the first one's key stays."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".key.{uuid.uuid4().hex}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    except OSError as error:
        raise AccessError(
            f"cannot keep the access key in {path} ({error.strerror}); set XDG_CACHE_HOME to a "
            f"folder that you may write to, or {VARIABLE} to a key"
        ) from error


def read_key(path: Path) -> str:
    try:
        return check_key(path.read_text(encoding="ascii", errors="replace").strip(), str(path))
    except OSError as error:
        raise AccessError(f"cannot read the access key in {path} ({error.strerror})") from error


def check_key(key: str, place: str) -> str:
    """AccessError, which does not tell the key, if Triton could not take it."""
    if CARRIED.fullmatch(key) and not SYNTAX & set(key):
        return key
    raise AccessError(
        f"the access key in {place} is empty or has characters other than printable ASCII without "
        f"blanks and {' '.join(sorted(SYNTAX))}; make one with `openssl rand -hex 32`"
    )


def refusal(server: str, *, key_was_sent: bool) -> AccessError:
    """The error for a restricted call that a server did not answer."""
    reason = "did not take the access key" if key_was_sent else "wants its access key for this"
    return AccessError(
        f"the server at {server} {reason}; set {VARIABLE} to the server's own {VARIABLE}, or to "
        "what ~/.cache/auricle/key holds for the user who runs it"
    )
