"""A checkpoint folder as it was published: where it comes from, which files count, its tokens."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Checkpoint:
    """location: what the user named, a folder or a Hugging Face id; revision: the commit, if any."""

    folder: Path
    location: str
    revision: str | None = None
