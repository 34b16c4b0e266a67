"""Facts of a checkpoint's YAML files, by dotted names."""

import math
from pathlib import Path

from auricle.errors import CheckpointError

Value = str | int | float | bool | None


def read_yaml(path: Path) -> dict[str, Value]:
    """Every plain value by its path: {"frontend_conf.n_mels": 80}; lists are left out.

    CheckpointError if the file is no YAML mapping.
    """
    import yaml

    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise CheckpointError(f"{path} is no YAML{place}; fetch it again") from error
    if not isinstance(record, dict):
        raise CheckpointError(f"{path} holds no settings; is it the checkpoint's own file?")
    return dict(_flatten("", record))


def _flatten(prefix: str, record: dict[object, object]) -> list[tuple[str, Value]]:
    flat: list[tuple[str, Value]] = []
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat += _flatten(f"{name}.", value)
        elif value is None or isinstance(value, str | int | float):
            flat.append((name, value))
    return flat


def number(values: dict[str, Value], name: str, default: int) -> int:
    """A whole number above 0 of the settings; CheckpointError if it is something else."""
    return count(values, name, default, at_least=1)


def count(values: dict[str, Value], name: str, default: int, at_least: int = 0) -> int:
    """A whole number that may be 0."""
    value = values.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    number = float(value) if is_number and value is not None else math.nan
    if not (number.is_integer() and number >= at_least):
        raise CheckpointError(
            f"the checkpoint's {name} is {value!r}, expected a whole number of {at_least} or more"
        )
    return int(number)
