"""Facts of a checkpoint's YAML files, by dotted names."""

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
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
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
    """A whole number of the settings; CheckpointError if it is something else."""
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise CheckpointError(f"the checkpoint's {name} is {value!r}, expected a whole number")
    return int(value)
