"""auricle check: exit code 0 if TensorRT's parser would take the graphs, 1 if not."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.cli import EXIT_FAILED

if TYPE_CHECKING:
    from auricle.build.export.tensorrt.check import Profile
    from auricle.build.export.tensorrt.operators import Version

SHAPES = "Of dynamic inputs, as trtexec takes them: NAME:1x16000,NAME:1."


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    graphs: Annotated[list[Path], typer.Argument(help="ONNX files, or models of a repository.")],
    tensorrt: Annotated[
        bool, typer.Option("--tensorrt", help="Would TensorRT's ONNX parser take them?")
    ] = False,
    version: Annotated[
        list[str] | None,
        typer.Option(
            help="Of TensorRT: 10.5, or 11 for its first release.",
            show_default="that of the newest image with each major",
        ),
    ] = None,
    triton_tag: Annotated[
        str | None, typer.Option(help="Of nvcr.io/nvidia/tritonserver, instead of --version.")
    ] = None,
    min_shapes: Annotated[str, typer.Option(help=SHAPES)] = "",
    opt_shapes: Annotated[str, typer.Option(help=SHAPES)] = "",
    max_shapes: Annotated[str, typer.Option(help=SHAPES)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array to stdout.")] = False,
) -> None:
    """Read graphs, and say what an engine would refuse and what to change; nothing is written.

    Neither TensorRT nor a GPU is needed. A model's family says how long its inputs are.
    """
    from auricle.build.export.tensorrt.check import check_graph

    if not tensorrt:
        raise typer.BadParameter("say what to check for: --tensorrt")
    versions = find_versions(version or [], triton_tag)
    given = find_profile(min_shapes, opt_shapes, max_shapes)
    reports = [
        check_graph(path, versions, given or of_family(folder))
        for folder in graphs
        for path in find_graphs(folder)
    ]
    if as_json:
        typer.echo(json.dumps([report.as_json() for report in reports], indent=2))
    else:
        typer.echo("\n".join(line for report in reports for line in report.lines()))
    if any(report.failed for report in reports):
        raise typer.Exit(EXIT_FAILED)


def find_versions(given: list[str], triton_tag: str | None) -> "list[Version]":
    """Those given, else the tag's, else the newest 10 and the first 11 that images have."""
    from auricle.build.export.tensorrt.check import parse_version
    from auricle.doctor import releases

    if triton_tag is not None:
        release = releases.find(triton_tag)
        if release is None:
            raise typer.BadParameter(
                f"no release {triton_tag!r} is known", param_hint="--triton-tag"
            )
        given = [*given, release.tensorrt]
    if not given:
        known = [release.tensorrt for release in releases.RELEASES]
        given = [next(each for each in known if each.startswith(major)) for major in ("10", "11")]
    try:
        return [parse_version(text) for text in given]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--version") from error


def find_profile(least: str, usual: str, largest: str) -> "Profile":
    from auricle.build.export.tensorrt.profiles import combine

    try:
        return combine(least, usual, largest) or None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--min-shapes") from error


def find_graphs(path: Path) -> list[Path]:
    """A graph, or those of a folder; an error where there is none."""
    from auricle.errors import RepositoryError

    if path.is_file():
        return [path]
    found = sorted(path.rglob("*.onnx"))
    if not found:
        raise RepositoryError(f"no ONNX graph in {path}; name a file or a model's folder")
    return found


def of_family(path: Path) -> "Profile":
    """The profile of the family that a model's folder, or its version's, says it is of."""
    from auricle import spec
    from auricle.build import families
    from auricle.build.export.tensorrt.profiles import Range

    folders = [each for each in (path, path / "1") if (each / spec.FILE_NAME).is_file()]
    if not folders:
        return None
    facts = spec.load(folders[0])
    profile = families.load(facts.family).profile
    return Range(profile.seconds, profile.batch, facts.sample_rate)
