"""The options of `auricle tune` that other commands do not have."""

from pathlib import Path
from typing import Annotated

import typer


def _check_grid(given: list[str]) -> list[str]:
    from auricle.client.tune import grid

    try:
        grid.parse(given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return given


def _check_picture(path: Path | None) -> Path | None:
    from auricle.client.figures import SUFFIXES

    if path and path.suffix not in SUFFIXES:
        raise typer.BadParameter(f"{path} ends in none of {', '.join(SUFFIXES)}")
    return path


GridOption = Annotated[
    list[str],
    typer.Option(
        "--grid",
        metavar="NAME=VALUE,VALUE",
        callback=_check_grid,
        help="A parameter and its values; several make every combination.",
    ),
]
Concurrency = Annotated[int, typer.Option(min=1, help="Requests in flight.")]
Json = Annotated[Path | None, typer.Option("--json", help="Keep every point in this file.")]
Plot = Annotated[
    Path | None,
    typer.Option(
        callback=_check_picture,
        help="A picture, .png, .svg or .pdf: errors over time, or over the one parameter.",
    ),
]
