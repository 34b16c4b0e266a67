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
    """What Hugging Face says of a revision: bytes by file name; sha256 only of its large files."""

    revision: str
    sizes: dict[str, int | None]
    sha256: dict[str, str]


@dataclass(frozen=True)
class Expected:
    sha256: dict[str, str]
    origin: str


def fetch(
    source: HuggingFace, choose: Callable[[list[str]], list[str]], lock_path: Path
) -> Checkpoint:
    """The chosen files, in a folder of HF_HOME; HF_ENDPOINT and HF_TOKEN are honoured, too.

    CheckpointError if they cannot be had, or are not what the lock file or Hugging Face says.
    """
    from huggingface_hub import errors

    locks = _read_locks(lock_path)
    lock = locks.get(source.repo_id)
    try:
        published = _ask(source.repo_id, lock.revision if lock else source.revision)
        names = choose(list(published.sizes))
        folder = _download(source.repo_id, published, names)
    except (OSError, errors.HTTPError) as error:  # type: ignore[attr-defined]  # httpx's
        raise CheckpointError(
            f"cannot fetch {source.repo_id} from Hugging Face: {error}; run again to continue, "
            "name a mirror with HF_ENDPOINT, or download it yourself and use --from"
        ) from error
    found = {name: sha256(folder / name) for name in names}
    known = lock.sha256 if lock else {}
    for expected, origin in ((published.sha256, "Hugging Face"), (known, str(lock_path))):
        _compare(folder, source.repo_id, found, Expected(expected, origin))
    locks[source.repo_id] = Lock(published.revision, known | found)
    _write_locks(lock_path, locks)
    return Checkpoint(folder, source.repo_id, published.revision)


def _ask(repo_id: str, revision: str | None) -> Published:
    from huggingface_hub import HfApi

    info = HfApi().model_info(repo_id, revision=revision, files_metadata=True)
    siblings = info.siblings or []
    return Published(
        info.sha or revision or "main",
        {sibling.rfilename: sibling.size for sibling in siblings},
        {sibling.rfilename: sibling.lfs.sha256 for sibling in siblings if sibling.lfs},
    )


def _download(repo_id: str, published: Published, names: list[str]) -> Path:
    """What was fetched before is not fetched again, and half a file is continued.

    Not in Hugging Face's own cache: that drops half a file when a download ends.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    cache = Path(constants.HF_HOME) / "auricle" / repo_id.replace("/", "--")
    folder = cache / published.revision
    folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(cache / "lock"):
        for name in names:
            if not (folder / name).is_file():
                _download_file(repo_id, published, name, folder / name)
    return folder


def _download_file(repo_id: str, published: Published, name: str, path: Path) -> None:
    """With a progress bar where stderr is a terminal."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("ab") as file:
        http_get(
            hf_hub_url(repo_id, name, revision=published.revision),
            file,
            resume_size=file.tell(),
            headers=build_hf_headers(),
            expected_size=published.sizes[name],
            displayed_filename=name,
        )
    part.replace(path)


def _compare(folder: Path, repo_id: str, found: dict[str, str], expected: Expected) -> None:
    """A file that is not what it should be does not stay."""
    for name in found.keys() & expected.sha256.keys():
        if found[name] != expected.sha256[name]:
            (folder / name).unlink()
            raise CheckpointError(
                f"{repo_id}/{name} has sha256 {found[name]}, but {expected.sha256[name]} according "
                f"to {expected.origin}; it was deleted: run again to fetch it anew, or delete its "
                "entry from the lock file if the change is wanted"
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
