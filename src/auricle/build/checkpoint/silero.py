"""The graph of Silero's detector of speech: a file, or that of the installed package.

https://github.com/snakers4/silero-vad (MIT). The package itself is never imported: it wants torch.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from auricle.build.checkpoint import Checkpoint
from auricle.errors import CheckpointError

PACKAGE = "silero_vad"
FILE_NAME = "silero_vad_16k_sequence.onnx"
AUTO = "auto"
ADVICE = (
    "install it with `pip install --no-deps silero-vad` (its file is all that is needed, without "
    f"torch), or name the {FILE_NAME} of its wheel"
)


@dataclass(frozen=True)
class Installed:
    """The graphs of the package, as a checkpoint that nobody need fetch."""

    def find(self) -> Checkpoint:
        """CheckpointError if it is not installed."""
        return Checkpoint(_folder(), PACKAGE)


def find_vad(asked: str) -> Path:
    """The file that was asked for, or the installed package's with "auto"."""
    path = _folder() / FILE_NAME if asked == AUTO else Path(asked)
    if not path.is_file():
        raise CheckpointError(
            f"no file {path}, where a detector of speech should be; {ADVICE} (silero-vad 6.2.2 or "
            "newer)"
        )
    return path


def _folder() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise CheckpointError(f"the package silero-vad is not installed here; {ADVICE}")
    return Path(found.submodule_search_locations[0]) / "data"
