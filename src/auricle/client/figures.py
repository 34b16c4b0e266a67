"""Pictures of measurements; matplotlib is there only where somebody wants one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auricle.errors import AuricleError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".pdf", ".png", ".svg")
SIZE_IN = (8.0, 5.0)
DOTS_PER_INCH = 150

Points = Sequence[tuple[float, float]]


def check() -> None:
    """AuricleError where no picture can be drawn, for before a long run."""
    create()


def create() -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise AuricleError(
            "a plot needs the package matplotlib: pip install 'auricle[plot]'"
        ) from error
    return Figure(SIZE_IN, layout="constrained")


@dataclass(frozen=True)
class Labels:
    title: str
    x: str
    y: str


def save_lines(lines: Mapping[str, Points], labels: Labels, path: Path) -> None:
    """A line for each name, x on a scale of powers of two; PNG, SVG or PDF by the suffix."""
    figure = create()
    axes = figure.add_subplot()
    axes.set_title(labels.title)
    axes.set_xscale("log", base=2)
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    ticks = sorted({x for points in lines.values() for x, _ in points})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel(labels.x)
    axes.set_ylabel(labels.y)
    axes.set_ylim(bottom=0)
    if lines:
        axes.legend()
    figure.savefig(path, dpi=DOTS_PER_INCH)
