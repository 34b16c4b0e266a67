"""JSON files of a checkpoint that hold one object."""

import json
from pathlib import Path

from auricle.errors import CheckpointError

Record = dict[str, object]


def read_json(path: Path) -> Record:
    """CheckpointError if the file holds no JSON object."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}; fetch it again") from error
    if not isinstance(record, dict):
        raise CheckpointError(f"{path} is no JSON object; is it the checkpoint's own file?")
    return record
