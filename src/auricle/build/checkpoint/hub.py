"""Checkpoints from Hugging Face: downloaded once, locked at the first download, verified later."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import sha256
from auricle.errors import CheckpointError

LOCK_FILE = "auricle.lock.json"


@dataclass(frozen=True)
class HuggingFace:
    """revision: a commit that a public source states, or None: the first download locks it."""

    repo_id: str
    revision: str | None = None


@dataclass(frozen=True)
class Lock:
    """What the first download brought: the commit, and sha256 by file name."""

    revision: str
    sha256: dict[str, str]


def fetch(
    source: HuggingFace, choose: Callable[[list[str]], list[str]], lock_path: Path
) -> Checkpoint:
    """The chosen files in Hugging Face's cache; HF_ENDPOINT, HF_TOKEN and HF_HOME are honoured.

    CheckpointError if a file differs from what the lock file says of it.
    """
    from huggingface_hub import HfApi, snapshot_download

    locks = _read_locks(lock_path)
    lock = locks.get(source.repo_id)
    info = HfApi().model_info(source.repo_id, revision=lock.revision if lock else source.revision)
    names = choose([sibling.rfilename for sibling in info.siblings or []])
    revision = info.sha or source.revision or "main"
    folder = Path(snapshot_download(source.repo_id, revision=revision, allow_patterns=names))
    found = Lock(revision, {name: sha256(folder / name) for name in names})
    locks[source.repo_id] = _merge(lock, found, source.repo_id) if lock else found
    _write_locks(lock_path, locks)
    return Checkpoint(folder, source.repo_id, revision)


def _merge(lock: Lock, found: Lock, repo_id: str) -> Lock:
    """The lock with newly fetched files added; CheckpointError where a known one has changed."""
    for name, digest in found.sha256.items():
        expected = lock.sha256.get(name, digest)
        if digest != expected:
            raise CheckpointError(
                f"{repo_id}/{name} has sha256 {digest}, but the lock file says {expected}; "
                "delete the file from the cache to fetch it again, or its entry from the lock file "
                "if the change is wanted"
            )
    return Lock(lock.revision, lock.sha256 | found.sha256)


def _read_locks(path: Path) -> dict[str, Lock]:
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {repo_id: Lock(**entry) for repo_id, entry in record.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is no lock file of Auricle's: {error}") from error


def _write_locks(path: Path, locks: dict[str, Lock]) -> None:
    record = {
        repo_id: {"revision": lock.revision, "sha256": dict(sorted(lock.sha256.items()))}
        for repo_id, lock in sorted(locks.items())
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
