"""The files beside FunASR's graphs: am.mvn, tokens.json, and a sentencepiece model."""

import json
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle.build.checkpoint.tokens import TokenTable, make_table
from auricle.errors import CheckpointError

Vector = npt.NDArray[np.float64]
PARTS = ("<AddShift>", "<Rescale>")
NUMBERS = re.compile(r"\[([^\]]*)\]")


def read_cmvn(path: Path, size: int) -> tuple[Vector, Vector]:
    """Shift and scale float64 [size] of am.mvn, a Kaldi network as text.

    CheckpointError if it is no such file, or made for features of another size.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    shift, scale = (_read_part(path, text, part) for part in PARTS)
    if (len(shift), len(scale)) != (size, size):
        raise CheckpointError(
            f"{path} normalises {len(shift)} and {len(scale)} values a frame, but the graph takes "
            f"{size}; is it the am.mvn of this checkpoint?"
        )
    if not np.isfinite([shift, scale]).all():
        raise CheckpointError(f"{path} holds values that are no numbers; fetch it again")
    return shift, scale


def _read_part(path: Path, text: str, part: str) -> Vector:
    _, _, rest = text.partition(part)
    match = NUMBERS.search(rest)
    try:
        return np.array(match[1].split() if match else [], dtype=np.float64)
    except ValueError as error:
        raise CheckpointError(f"{path} is broken behind {part}: {error}") from error


def read_token_list(path: Path) -> TokenTable:
    """The list of tokens.json, or the pieces of a sentencepiece model."""
    symbols = _read_json(path) if path.suffix == ".json" else _read_pieces(path)
    if len(set(symbols)) < len(symbols) or not symbols:
        raise CheckpointError(f"{path} names {len(symbols)} tokens, some of them twice or none")
    return make_table(symbols)


def _read_json(path: Path) -> tuple[str, ...]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if not isinstance(record, list) or not all(isinstance(symbol, str) for symbol in record):
        raise CheckpointError(f"{path} is no list of tokens, expected a JSON list of strings")
    return tuple(record)


def _read_pieces(path: Path) -> tuple[str, ...]:
    import sentencepiece

    try:
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no sentencepiece model: {error}") from error
    return tuple(model.id_to_piece(list(range(model.vocab_size()))))
