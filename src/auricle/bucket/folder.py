"""A repository on disk: its entries by name, written whole or not at all.

Names are relative, with '/' between their parts. A name that ends with '/' is a folder that holds
nothing: storage has no folders, but the version folder of a Triton ensemble is an empty one.
Whatever begins with '.' is left out, and what Python compiles for itself.
"""

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auricle.errors import BucketError

BLOCK = 1 << 20
COMPILED = "__pycache__"


@dataclass(frozen=True)
class Folder:
    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def entries(self) -> dict[str, int]:
        """Name -> size in bytes; empty where there is no such folder."""
        found: dict[str, int] = {}
        for place, folders, files in os.walk(self.root, followlinks=True):
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and name != COMPILED
            )
            refuse_circle(Path(place))
            path = Path(place).relative_to(self.root)
            seen = [path / name for name in files if not name.startswith(".")]
            found |= {one.as_posix(): (self.root / one).stat().st_size for one in seen}
            if not seen and not folders and path.parts:
                found[f"{path.as_posix()}/"] = 0
        return found

    @contextlib.contextmanager
    def draft(self, name: str) -> Iterator[Path]:
        """A file to write that takes its name when the block ends well; else it is removed."""
        path = self.locate(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def make_folder(self, name: str) -> None:
        self.locate(name).mkdir(parents=True, exist_ok=True)

    def delete(self, name: str) -> None:
        """Remove it, and the folders above that it leaves empty."""
        path = self.locate(name)
        path.rmdir() if name.endswith("/") else path.unlink()
        with contextlib.suppress(OSError):  # the first that holds something ends it
            for above in path.relative_to(self.root).parents[:-1]:
                (self.root / above).rmdir()

    def locate(self, name: str) -> Path:
        """BucketError if a link leads out of the folder on the way there."""
        path = self.root / name
        if not path.parent.resolve().is_relative_to(self.root.resolve()):
            raise BucketError(
                f"{path} lies behind a link that leads out of {self.root}; nothing is changed "
                "there: replace the link by a folder"
            )
        return path


def refuse_circle(folder: Path) -> None:
    if folder.is_symlink() and folder.resolve() in folder.parent.resolve().parents:
        raise BucketError(f"{folder} is a link to a folder that it lies in; remove it")


def digest(path: Path, algorithm: str) -> str:
    """The hexadecimal digest of a file's content."""
    state = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
    return state.hexdigest()
