"""A checkpoint folder as it was published: where it comes from, which files count, its tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from auricle.build.checkpoint.files import sha256
from auricle.spec import Source


@dataclass(frozen=True)
class Checkpoint:
    """location: what the user named, a folder or a Hugging Face id.  revision: its commit."""

    folder: Path
    location: str
    revision: str | None = None

    def source(self, names: Iterable[str]) -> Source:
        """Where these files of it came from."""
        digests = {name: sha256(self.folder / name) for name in names}
        return Source(self.location, self.revision, digests)
