"""`auricle build --target gpu` and `--backend tensorrt`: the plan, before the model is written."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.cli import EXIT_INTERRUPTED
from auricle.cli.build.options import Backend, Runner, Target
from auricle.cli.tensorrt.options import three_numbers, three_sizes

if TYPE_CHECKING:
    from auricle.build.families import Built, Profile
    from auricle.build.repository.populate import Deployment
    from auricle.build.repository.target import GpuTarget
    from auricle.build.tensorrt.builder import Tell
    from auricle.build.tensorrt.plan import Draft, PlanRequest
    from auricle.build.tensorrt.shapes import Range
    from auricle.spec import RunnerName
    from auricle.spec.plan import Shapes

BUCKET_SECONDS = 2.0
HOTWORDS = (1, 8, 64)  # of the axis H of Paraformer's embedded hotwords


@dataclass(frozen=True)
class PlanWish:
    """What was said of the plan; None: as the family has it."""

    seconds: list[str] | None = None
    batch: str | None = None
    workspace: str | None = None
    tf32: bool = True
    optimization_level: int | None = None
    local: bool = False
    audio: Path | None = None


@dataclass(frozen=True)
class GpuWish:
    """What was said of the place that the model is made for."""

    target: Target
    backend: Backend
    triton_tag: str
    gpus: list[int] | None = None
    cuda_graphs: bool = False
    bucket_seconds: float | None = None
    plan: PlanWish = PlanWish()

    @property
    def wants_plan(self) -> bool:
        return self.backend is Backend.tensorrt

    def check(self) -> None:
        """A usage error for what is of a GPU alone."""
        if not self.wants_gpu and (self.gpus or self.cuda_graphs or self.bucket_seconds):
            raise typer.BadParameter(
                "--gpus, --cuda-graphs and --bucket-seconds are for a GPU: add --target gpu"
            )

    def choose(self, runner: Runner) -> "RunnerName":
        """A plan is Triton's to run, whatever was asked for."""
        return (Runner.bls if self.wants_plan else runner).value

    @property
    def buckets(self) -> float:
        return BUCKET_SECONDS if self.bucket_seconds is None else self.bucket_seconds

    @property
    def wants_gpu(self) -> bool:
        return self.wants_plan or self.target is Target.gpu


@contextmanager
def opened_target(
    built: "Built", profile: "Profile", deployment: "Deployment", wish: GpuWish
) -> "Iterator[tuple[Built, Deployment]]":
    """Both as the place wants them; a plan lasts as long as the block.

    What would keep the model from being written is found before a plan is built, not after.
    """
    from auricle.build.repository import populate

    populate.check_runner(built, deployment.runner)
    deployment.aids.check(built.spec)
    if not wish.wants_gpu:
        yield built, deployment
        return
    ranges, batch = _bounds(profile, wish.plan)
    _check_buckets(built, ranges, wish)
    if not wish.wants_plan:
        yield built, replace(deployment, gpu=_target(ranges, batch, wish, None))
        return
    wide = _by_width(built)
    with _drafted(wide, _profiles(built, ranges, batch), wish, built) as draft:
        yield wide, replace(deployment, gpu=_target(ranges, batch, wish, draft))


def _by_width(built: "Built") -> "Built":
    """With the graph that a plan can be made of; it is the one beside the plan, too."""
    from auricle.build.tensorrt.widths import by_width

    wide = by_width(built.graphs["encoder"])
    return replace(built, graphs={**built.graphs, "encoder": wide})


def _bounds(profile: "Profile", wish: PlanWish) -> "tuple[list[tuple[float, float, float]], Range]":
    ranges = [three_numbers(text, "--seconds") for text in wish.seconds or []]
    batch = three_sizes(wish.batch, "--batch") if wish.batch else profile.batch
    return ranges or [profile.seconds], batch


def _check_buckets(built: "Built", ranges: list[tuple[float, float, float]], wish: GpuWish) -> None:
    """Short audio must be padded to what the plan takes."""
    if wish.wants_plan and not built.spec.streaming and wish.buckets < ranges[0][0]:
        raise typer.BadParameter(
            f"the plan takes no audio below {ranges[0][0]:g} s, and shorter audio is padded to "
            f"{wish.buckets:g} s: lower the first of --seconds, or raise --bucket-seconds"
        )


def _target(
    ranges: list[tuple[float, float, float]],
    batch: "Range",
    wish: GpuWish,
    draft: "Draft | None",
) -> "GpuTarget":
    from auricle.build.repository.target import GpuTarget, PlanFiles

    return GpuTarget(
        seconds=(ranges[0][0], ranges[0][1], ranges[-1][2]),
        batch=batch,
        triton_tag=wish.triton_tag,
        bucket_seconds=wish.buckets,
        gpus=tuple(wish.gpus or ()),
        cuda_graphs=wish.cuda_graphs,
        plan=PlanFiles(draft.plan, draft.record) if draft else None,
    )


@contextmanager
def _drafted(
    wide: "Built", profiles: "list[Shapes]", wish: GpuWish, reference: "Built"
) -> "Iterator[Draft | None]":
    """A plan that agrees with the reference, or none."""
    import onnx

    from auricle.build.tensorrt.plan import draft_plan
    from auricle.cli.tensorrt.running import check_ahead, choose_place, progress, warn_of_graph
    from auricle.server.signals import ended_by_signals

    is_done = False
    with (
        tempfile.TemporaryDirectory(prefix="auricle-") as folder,
        ended_by_signals(),
        progress(verbose=False) as tell,
    ):
        gpu = str((wish.gpus or [0])[0])
        open_builder, tag = choose_place(wish.triton_tag, gpu, local=wish.plan.local, tell=tell)
        graph = Path(folder) / "model.onnx"
        onnx.save(wide.graphs["encoder"], graph)
        request = _request(graph, profiles, wish, tag)
        if tag:
            check_ahead(tag, request.options)
        warn_of_graph(wide.graphs["encoder"], tag)
        with draft_plan(request, open_builder, tell) as draft:
            yield draft if _agrees(draft, reference, wish, tell) else None
        is_done = True
    if not is_done:
        raise typer.Exit(EXIT_INTERRUPTED)


def _request(
    graph: Path, profiles: "list[Shapes]", wish: GpuWish, tag: str | None
) -> "PlanRequest":
    from auricle.build.export.graph import load_graph
    from auricle.build.tensorrt.flags import PlanOptions
    from auricle.build.tensorrt.plan import PlanRequest

    options = PlanOptions(wish.plan.workspace, wish.plan.tf32, wish.plan.optimization_level)
    output = graph.with_name("plan") / "model.plan"
    return PlanRequest(graph, output, profiles, load_graph(graph).precision, options, tag)


def _profiles(
    built: "Built", ranges: list[tuple[float, float, float]], batch: "Range"
) -> "list[Shapes]":
    from auricle.build.export.graph import port_of
    from auricle.build.tensorrt.shapes import in_samples, profiles_of

    ports = [port_of(value) for value in built.graphs["encoder"].graph.input]
    lengths = [in_samples(each, built.spec.sample_rate) for each in ranges]
    return profiles_of(ports, batch, lengths, {"H": HOTWORDS})


def _agrees(draft: "Draft", built: "Built", wish: GpuWish, tell: "Tell") -> bool:
    """Said to the person, either way."""
    from auricle.build.export.graph import port_of
    from auricle.build.export.reference import load_waveforms
    from auricle.build.tensorrt.compare import compare, samples_of, tolerance_of

    model = built.graphs["encoder"]
    ports = [port_of(value) for value in model.graph.input]
    waveforms = load_waveforms(wish.plan.audio, built.spec.sample_rate)
    samples = samples_of(ports, draft.record.profiles, waveforms, _numbers(built))
    tolerance = tolerance_of(draft.record.precision, tf32=wish.plan.tf32)
    comparison = compare(draft, model, samples, tolerance, tell)
    typer.echo(comparison.report())
    if not comparison.is_ok:
        typer.echo(
            "the plan is wrong on this GPU and is not kept; the graph is served by ONNX Runtime on "
            "the GPU instead (docs/tensorrt.md)"
        )
    return comparison.is_ok


def _numbers(built: "Built") -> dict[str, int]:
    prompt = built.spec.prompt
    if prompt is None:
        return {}
    return {
        "LANGUAGE": next(iter(prompt.languages.values())),
        "TEXT_NORM": next(iter(prompt.text_norms.values())),
    }
