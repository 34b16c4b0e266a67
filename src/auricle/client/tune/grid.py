"""The grid of request parameters that a tuning run goes through."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

Grid = Mapping[str, Sequence[str]]  # the values of each parameter, in the order given
Setting = Mapping[str, str]  # one value of each


def parse(axes: Iterable[str]) -> Grid:
    """Axes such as "asr_beam=4,8"; ValueError where they are no grid."""
    grid: dict[str, Sequence[str]] = {}
    for axis in axes:
        name, _, listed = axis.partition("=")
        values = listed.split(",")
        if not (name and all(values)):
            raise ValueError(f"give NAME=VALUE,VALUE, such as asr_beam=4,8, not {axis!r}")
        if name in grid:
            raise ValueError(f"{name} is given twice; list all its values once")
        repeated = [value for value, count in Counter(values).items() if count > 1]
        if repeated:
            raise ValueError(f"{name} has the value {repeated[0]!r} twice")
        grid[name] = values
    return grid


def settings(grid: Grid) -> list[Setting]:
    """Every combination; the last parameter changes fastest."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def describe(setting: Setting) -> str:
    return " ".join(f"{name}={value}" for name, value in setting.items())
