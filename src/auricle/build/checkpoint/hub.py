"""Checkpoints from Hugging Face: downloaded once, locked at the first download, verified later."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import sha256
from auricle.errors import CheckpointError


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


@dataclass(frozen=True)
class Published:
    """What Hugging Face says of a revision; sha256 only of its large files."""

    revision: str
    names: list[str]
    sha256: dict[str, str]


def fetch(
    source: HuggingFace, choose: Callable[[list[str]], list[str]], lock_path: Path
) -> Checkpoint:
    """The chosen files, in Hugging Face's cache; HF_ENDPOINT, HF_TOKEN and HF_HOME are honoured.

    CheckpointError if they cannot be had, or are not what the lock file or Hugging Face says.
    """
    from huggingface_hub import errors

    locks = _read_locks(lock_path)
    lock = locks.get(source.repo_id)
    try:
        published = _ask(source.repo_id, lock.revision if lock else source.revision)
        names = choose(published.names)
        folder = _download(source.repo_id, published.revision, names)
    except (OSError, errors.HTTPError) as error:  # type: ignore[attr-defined]  # httpx's
        raise CheckpointError(
            f"cannot fetch {source.repo_id} from Hugging Face: {error}; run again to continue, "
            "name a mirror with HF_ENDPOINT, or download it yourself and use --from"
        ) from error
    found = {name: sha256(folder / name) for name in names}
    known = lock.sha256 if lock else {}
    _compare(source.repo_id, found, published.sha256, "Hugging Face")
    _compare(source.repo_id, found, known, str(lock_path))
    locks[source.repo_id] = Lock(published.revision, known | found)
    _write_locks(lock_path, locks)
    return Checkpoint(folder, source.repo_id, published.revision)


def _ask(repo_id: str, revision: str | None) -> Published:
    from huggingface_hub import HfApi

    info = HfApi().model_info(repo_id, revision=revision, files_metadata=True)
    siblings = info.siblings or []
    return Published(
        info.sha or revision or "main",
        [sibling.rfilename for sibling in siblings],
        {sibling.rfilename: sibling.lfs.sha256 for sibling in siblings if sibling.lfs},
    )


def _download(repo_id: str, revision: str, names: list[str]) -> Path:
    """What was fetched before is not fetched again, and half a file is continued."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(repo_id, revision=revision, allow_patterns=names))


def _compare(repo_id: str, found: dict[str, str], expected: dict[str, str], origin: str) -> None:
    for name in found.keys() & expected.keys():
        if found[name] != expected[name]:
            raise CheckpointError(
                f"{repo_id}/{name} has sha256 {found[name]}, but {expected[name]} according to "
                f"{origin}; delete it from the cache to fetch it again, or its entry from the lock "
                "file if the change is wanted"
            )


def _read_locks(path: Path) -> dict[str, Lock]:
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {repo_id: Lock(**entry) for repo_id, entry in record.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is no lock file of `auricle build`: {error}") from error


def _write_locks(path: Path, locks: dict[str, Lock]) -> None:
    record = {
        repo_id: {"revision": lock.revision, "sha256": dict(sorted(lock.sha256.items()))}
        for repo_id, lock in sorted(locks.items())
    }
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
