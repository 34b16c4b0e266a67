"""Points -> a picture: error rate over time, or both over the one parameter that varies."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from auricle.client import figures
from auricle.client.tune import report
from auricle.client.tune.experiment import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RATE_COLOR, RTF_COLOR = "tab:blue", "tab:orange"


def save(points: Sequence[Point], path: Path, title: str) -> None:
    """Draw the points that have a speed; PNG, SVG or PDF by the suffix of the path."""
    figure = figures.create()
    axes = figure.add_subplot()
    axes.set_title(title)
    drawn = [point for point in points if point.speed]
    varied = _varied(drawn)
    if len(varied) == 1:
        _draw_lines(axes, drawn, varied[0])
    elif drawn:
        _draw_front(axes, drawn, varied)
    figure.savefig(path, dpi=figures.DOTS_PER_INCH)


def _varied(points: Sequence[Point]) -> list[str]:
    """The parameters that have more than one value."""
    names = points[0].setting if points else ()
    return [name for name in names if len({point.setting[name] for point in points}) > 1]


def _draw_front(axes: "Axes", points: Sequence[Point], varied: Sequence[str]) -> None:
    front = report.front(points)
    rates = [point.score.error_rate for point in points]
    axes.scatter([report.rtf(point) for point in points], rates, color=RATE_COLOR, alpha=0.5)
    steps = [(report.rtf(point), point.score.error_rate) for point in front]
    axes.plot(
        *zip(*steps, strict=True), color=RTF_COLOR, marker="o", label="no setting beats these"
    )
    for point, at in zip(front, steps, strict=True):
        values = (f"{name.removeprefix('asr_')}={point.setting[name]}" for name in varied)
        axes.annotate(
            "\n".join(values), at, textcoords="offset points", xytext=(6, 4), fontsize="x-small"
        )
    axes.set_xlabel("RTF (wall time / audio)")
    axes.set_ylabel(f"{report.rate_name(points[0].score)} %")
    axes.legend()


def _draw_lines(axes: "Axes", points: Sequence[Point], name: str) -> None:
    """Values that are all numbers are placed as such, others side by side."""
    values = [point.setting[name] for point in points]
    try:
        places = [float(value) for value in values]
    except ValueError:
        places = list(map(float, range(len(values))))
    line = sorted(zip(places, points, strict=True), key=lambda placed: placed[0])
    places_in_order = [place for place, _ in line]
    beside = axes.twinx()
    rates = [point.score.error_rate for _, point in line]
    axes.plot(places_in_order, rates, color=RATE_COLOR, marker="o")
    beside.plot(
        places_in_order, [report.rtf(point) for _, point in line],
        color=RTF_COLOR, marker="s", linestyle="--",
    )  # fmt: skip
    axes.set_xticks(places, values)
    axes.set_xlabel(name)
    axes.set_ylabel(f"{report.rate_name(points[0].score)} %", color=RATE_COLOR)
    beside.set_ylabel("RTF (wall time / audio)", color=RTF_COLOR)
