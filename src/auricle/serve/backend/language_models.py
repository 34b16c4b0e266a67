"""Files of language models, told apart by how they begin: ARPA, ARPA in gzip, a KenLM binary."""

import gzip
import zlib
from pathlib import Path

from auricle.errors import RepositoryError
from auricle.serve.backend.arpa import read_arpa
from auricle.serve.backend.kenlm_model import MAGIC, read_kenlm
from auricle.serve.decode.language_model import LanguageModel

GZIP = b"\x1f\x8b"


def load_language_model(path: Path) -> LanguageModel:
    """RepositoryError for a file that is not there, or that is no language model."""
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
        if head == MAGIC:
            return read_kenlm(path)
        with gzip.open(path) if head.startswith(GZIP) else path.open("rb") as lines:
            return read_arpa(lines, str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise RepositoryError(f"language model {path}: {error}") from error
