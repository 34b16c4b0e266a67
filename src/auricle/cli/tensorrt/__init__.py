"""auricle tensorrt: plans for Triton's TensorRT backend, built by the image that serves them."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.cli import EXIT_INTERRUPTED
from auricle.cli.tensorrt import options
from auricle.doctor.releases import DEFAULT_TAG

if TYPE_CHECKING:
    from auricle.build.export.graph import Graph
    from auricle.build.tensorrt.flags import PlanOptions
    from auricle.spec.plan import Shapes


class Action(str, Enum):
    build = "build"


def run(  # noqa: PLR0913  # one parameter an option
    action: Annotated[Action, typer.Argument(help="What to do.")],
    graph: Annotated[Path, typer.Argument(help="An encoder that `auricle build` wrote, ONNX.")],
    *,
    output: options.Output,
    seconds: options.Seconds = None,
    batch: options.Batch = "1,8,32",
    sample_rate: Annotated[int, typer.Option(help="Of the audio, Hz.")] = 16000,
    axis: options.Axis = None,
    triton_tag: options.TritonTag = DEFAULT_TAG,
    local: options.Local = False,
    gpu: options.Gpu = "0",
    workspace: options.Workspace = None,
    no_tf32: options.NoTf32 = False,
    optimization_level: options.Level = None,
    version_compatible: options.VersionCompatible = False,
    hardware_compatibility: options.HardwareLevel = options.Hardware.none,
    trtexec: options.Trtexec = None,
    verbose: options.Verbose = False,
) -> None:
    """Build a TensorRT plan of an encoder, on the GPU that will run it.

    trtexec runs in a container of the Triton image that will serve the plan, or as it is where it
    is installed. The precision is the graph's own.
    """
    from auricle.build.export.graph import load_graph
    from auricle.build.tensorrt.flags import PlanOptions

    assert action is Action.build, "the only one"
    ranges = [options.three_numbers(text, "--seconds") for text in seconds or ["0.1,8,39"]]
    loaded = load_graph(graph)
    wanted = PlanOptions(
        workspace,
        not no_tf32,
        optimization_level,
        version_compatible,
        hardware_compatibility.value,
        tuple(trtexec or ()),
    )
    profiles = _profiles(loaded, ranges, sample_rate, (batch, axis))
    _build((loaded, profiles, wanted), output, (triton_tag, gpu), local=local, verbose=verbose)


def _profiles(
    graph: "Graph",
    ranges: list[tuple[float, float, float]],
    sample_rate: int,
    sizes: tuple[str, list[str] | None],
) -> "list[Shapes]":
    from auricle.build.tensorrt.shapes import in_samples, profiles_of

    rows = options.three_sizes(sizes[0], "--batch")
    lengths = [in_samples(each, sample_rate) for each in ranges]
    return profiles_of(graph.inputs, rows, lengths, options.named_sizes(sizes[1]))


def _build(
    what: "tuple[Graph, list[Shapes], PlanOptions]",
    output: Path,
    place: tuple[str, str],
    *,
    local: bool,
    verbose: bool,
) -> None:
    from auricle.build.tensorrt.plan import PlanRequest, build_plan
    from auricle.cli.tensorrt.running import check_ahead, choose_place, progress
    from auricle.server.signals import ended_by_signals

    graph, profiles, wanted = what
    record = None
    with ended_by_signals(), progress(verbose=verbose) as tell:
        open_builder, tag = choose_place(*place, local=local, tell=tell)
        if tag:
            check_ahead(tag, wanted)
        request = PlanRequest(graph.path, output, profiles, graph.precision, wanted, tag)
        record = build_plan(request, open_builder, tell)
    if record is None:
        raise typer.Exit(EXIT_INTERRUPTED)
    typer.echo(f"written   {output} (TensorRT {record.tensorrt}, {record.gpu})")
