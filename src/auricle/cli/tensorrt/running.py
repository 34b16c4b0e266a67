"""Where trtexec runs, and what a person sees of it meanwhile."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import onnx

    from auricle.build.tensorrt.builder import Tell
    from auricle.build.tensorrt.flags import PlanOptions
    from auricle.build.tensorrt.plan import OpenBuilder

TAG_OF_IMAGE = "NVIDIA_TRITON_SERVER_VERSION"  # what NVIDIA's images say of themselves: 26.09


def choose_place(
    tag: str, gpu: str, *, local: bool, tell: "Tell"
) -> "tuple[OpenBuilder, str | None]":
    """How to open it, and the tag of its image; this machine, if it can, is preferred."""
    from auricle.build.tensorrt.builder import find_trtexec, open_local

    if local or find_trtexec():
        return lambda _workspace: open_local(), os.environ.get(TAG_OF_IMAGE)
    from auricle.build.tensorrt.container import open_container

    return lambda workspace: open_container(tag, gpu, workspace, tell), tag


def warn_of_graph(model: "onnx.ModelProto", tag: str | None) -> None:
    """What documents say against the graph; trtexec has the last word."""
    from auricle.build.export.tensorrt.check import check_model
    from auricle.cli.check import find_versions
    from auricle.doctor import releases

    known = tag if tag and releases.find(tag) else None
    report = check_model(model, find_versions([], known))
    errors = [line for line in report.lines() if ": ERROR " in line]
    if errors:
        typer.echo("\n".join(errors), err=True)
        typer.echo("`auricle check --tensorrt` doubts that TensorRT takes this graph", err=True)


def check_ahead(tag: str, options: "PlanOptions") -> None:
    """PlanError for what the TensorRT of a known image does not know, before it is started."""
    from auricle.build.tensorrt.flags import check_options
    from auricle.doctor import releases

    release = releases.find(tag)
    if release:
        check_options(options, tuple(int(part) for part in release.tensorrt.split(".")))


@contextmanager
def progress(*, verbose: bool) -> "Iterator[Tell]":
    """The steps as lines; on a terminal also the last line of the log, with the time."""
    from rich.console import Console

    from auricle.build.tensorrt import log

    console = Console(stderr=True, highlight=False)
    started = time.monotonic()

    def elapsed() -> str:
        return f"{time.monotonic() - started:5.0f} s"

    def step(line: str) -> None:
        stage = log.stage_of(line)
        if verbose or stage is None:
            return
        typer.echo(f"{elapsed()}  {stage}", err=True)

    if verbose or not console.is_terminal:
        yield (lambda line: typer.echo(line, err=True)) if verbose else _plain(step)
        return
    with console.status("") as status:

        def show(line: str) -> None:
            step(line)
            status.update(f"{elapsed()}  {line[: max(20, console.width - 20)]}")

        yield show


def _plain(step: Callable[[str], None]) -> Callable[[str], None]:
    return step
