"""auricle tensorrt: plans for Triton's TensorRT backend, built by the image that serves them."""

import tempfile
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.cli import EXIT_INTERRUPTED
from auricle.cli.tensorrt import options
from auricle.doctor.releases import DEFAULT_TAG

if TYPE_CHECKING:
    import onnx

    from auricle.build.export.graph import Graph
    from auricle.build.tensorrt.builder import Tell
    from auricle.build.tensorrt.flags import PlanOptions
    from auricle.build.tensorrt.plan import Draft
    from auricle.spec.plan import Shapes


@dataclass(frozen=True)
class Speech:
    """To compare on.  audio: None for the sentence that ships with the package."""

    audio: Path | None
    sample_rate: int


@dataclass(frozen=True)
class Wish:
    """speech: None not to compare.  reference: what the plan is compared with."""

    graph: "Graph"
    reference: "onnx.ModelProto"
    profiles: "list[Shapes]"
    options: "PlanOptions"
    output: Path
    speech: Speech | None


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
    audio: options.Audio = None,
    no_compare: options.NoCompare = False,
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
    speech = None if no_compare else Speech(audio, sample_rate)
    _build(
        Wish(loaded, loaded.model, profiles, wanted, output, speech),
        (triton_tag, gpu),
        local=local,
        verbose=verbose,
    )


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


def _build(wish: Wish, place: tuple[str, str], *, local: bool, verbose: bool) -> None:
    from auricle.build.tensorrt.plan import PlanRequest, draft_plan, keep
    from auricle.cli.tensorrt.running import check_ahead, choose_place, progress, warn_of_graph
    from auricle.server.signals import ended_by_signals

    record = None
    with (
        tempfile.TemporaryDirectory(prefix="auricle-") as folder,
        ended_by_signals(),
        progress(verbose=verbose) as tell,
    ):
        wish = _by_width(wish, Path(folder))
        open_builder, tag = choose_place(*place, local=local, tell=tell)
        if tag:
            check_ahead(tag, wish.options)
        warn_of_graph(wish.graph.model, tag)
        precision = wish.graph.precision
        request = PlanRequest(
            wish.graph.path, wish.output, wish.profiles, precision, wish.options, tag
        )
        with draft_plan(request, open_builder, tell) as draft:
            if wish.speech:
                _check(draft, wish, wish.speech, tell)
            record = keep(draft, wish.output)
    if record is None:
        raise typer.Exit(EXIT_INTERRUPTED)
    typer.echo(f"written   {wish.output} (TensorRT {record.tensorrt}, {record.gpu})")


def _by_width(wish: Wish, folder: Path) -> Wish:
    """With a graph that TensorRT can know the widths of, in the folder if it is another."""
    import onnx

    from auricle.build.tensorrt.widths import by_width

    graph = wish.graph
    wide = by_width(graph.model)
    if wide is graph.model:
        return wish
    path = folder / graph.path.name
    onnx.save(wide, path)
    return replace(wish, graph=replace(graph, path=path, model=wide))


def _check(draft: "Draft", wish: Wish, speech: Speech, tell: "Tell") -> None:
    """PlanError, and the plan is not kept, if it strays from the graph."""
    from auricle.build.export.reference import load_waveforms
    from auricle.build.tensorrt.compare import compare, samples_of, tolerance_of
    from auricle.errors import PlanError

    waveforms = load_waveforms(speech.audio, speech.sample_rate)
    samples = samples_of(wish.graph.inputs, wish.profiles, waveforms, {})
    tolerance = tolerance_of(draft.record.precision, tf32=wish.options.tf32)
    comparison = compare(draft, wish.reference, samples, tolerance, tell)
    typer.echo(comparison.report())
    if not comparison.is_ok:
        raise PlanError(
            "the plan is wrong on this GPU and was not kept; serve the graph by ONNX Runtime "
            "(docs/tensorrt.md)"
        )
