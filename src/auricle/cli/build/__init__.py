"""auricle build: a published checkpoint -> a model in a Triton repository."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.cli.build import options
from auricle.cli.build.accuracy import Trial, build_plain, check_accuracy, plain
from auricle.cli.build.arithmetic import Asked
from auricle.cli.build.gpu import GpuWish, PlanWish, opened_target
from auricle.cli.build.options import Backend, Precision, Quantization, Runner, Target
from auricle.cli.build.source import Upstream, Wish, find
from auricle.cli.tensorrt import options as of_plans
from auricle.doctor.releases import DEFAULT_TAG

if TYPE_CHECKING:
    from auricle.build.families import Built, Family, Options
    from auricle.build.repository.populate import Written
    from auricle.gate.speech import Speech


@dataclass(frozen=True)
class Judge:
    """Transcribed speech of a folder, and the points of WER that a model may lose on it."""

    speech: "Speech"
    model: str
    folder: Path
    max_wer_rise: float | None

    def check(self, built: "Built", fp32: "Built", precision: str) -> None:
        trial = Trial({"fp32": fp32, precision: built}, self.model, self.folder)
        check_accuracy(trial, self.speech, self.max_wer_rise)


def run(  # noqa: PLR0913  # one parameter an option
    family: options.FamilyName,
    exporter_arguments: options.ExporterArguments = None,
    *,
    name: options.Name,
    repo: options.Repo,
    checkpoint: options.From = None,
    export: options.Export = False,
    checkout: options.Checkout = None,
    python: options.Python = None,
    lock: options.Lock = Path("auricle.lock.json"),
    streaming: options.Streaming = False,
    precision: options.PrecisionOption = Precision.fp32,
    quantization: options.QuantizationOption = Quantization.dynamic,
    calibration: options.Calibration = None,
    feature_edges: options.FeatureEdgesOption = None,
    vad: options.Vad = None,
    lm: options.Lm = None,
    lm_units: options.LmUnits = options.LmUnitsName.auto,
    hotwords: options.HotwordsFile = None,
    runner: options.RunnerOption = Runner.onnxruntime,
    instances: options.Instances = None,
    target: options.TargetOption = Target.cpu,
    backend: options.BackendOption = Backend.onnxruntime,
    triton_tag: of_plans.TritonTag = DEFAULT_TAG,
    gpus: options.Gpus = None,
    cuda_graphs: options.CudaGraphs = False,
    bucket_seconds: options.BucketSeconds = None,
    seconds: of_plans.Seconds = None,
    batch: of_plans.OwnBatch = None,
    workspace: of_plans.Workspace = None,
    no_tf32: of_plans.NoTf32 = False,
    optimization_level: of_plans.Level = None,
    local: of_plans.Local = False,
    parity_audio: options.ParityAudio = None,
    wer_set: options.WerSet = None,
    max_wer_rise: options.MaxWerRise = None,
    force: options.Force = False,
) -> None:
    """Turn a published checkpoint into a model that Triton serves."""
    from auricle.build import families
    from auricle.build.repository import aids, populate

    known = families.load(family)
    populate.check_name(name)
    populate.check_target(repo / name)
    plan = PlanWish(seconds, batch, workspace, not no_tf32, optimization_level, local, parity_audio)
    gpu = GpuWish(target, backend, triton_tag, gpus, cuda_graphs, bucket_seconds, plan)
    gpu.check()
    asked = Asked(precision, quantization, calibration, python)
    asked.check(wer_set, max_wer_rise)
    wanted = asked.options(parity_audio, streaming=streaming, edges=feature_edges)
    python = asked.exporter_python(is_exported=export)
    upstream = Upstream(export, checkout, python, tuple(exporter_arguments or ()))
    judge = Judge(_read_speech(wer_set), name, wer_set, max_wer_rise) if wer_set else None
    built = _build(known, Wish(checkpoint, lock, _all(wanted, judge), upstream), vad, judge)
    helped = aids.Aids(lm, lm_units.value, hotwords, _find_bpe_model(export, checkpoint))
    deployment = populate.Deployment(gpu.choose(runner), instances, force, helped)
    with opened_target(built, known.profile, deployment, gpu) as (placed, complete):
        _report(populate.populate(placed, name, repo, complete))


def _all(wanted: "Options", judge: Judge | None) -> list["Options"]:
    """What is built: beside a reduced model that is judged, the one that it is held to."""
    return [wanted, plain(wanted)] if judge else [wanted]


def _build(known: "Family", wish: Wish, vad: str | None, judge: Judge | None) -> "Built":
    """The model, with what was said of it, and judged."""
    wanted = wish.wanted[0]
    detector = _find_detector(vad) if vad else None
    with find(known, wish) as source:
        built = known.build(source, wanted)
        if detector:
            built = _add_vad(built, detector, wanted)
        typer.echo("\n".join(built.report))
        _check_mode(built, asked=wanted.streaming)
        if judge:
            judge.check(built, build_plain(known, source, wanted), wanted.precision)
    return built


def _report(written: "Written") -> None:
    for folder in written.folders:
        typer.echo(f"written   {folder}")
    for path in written.kept:
        typer.echo(f"kept      {path}, which was edited; --force overwrites it")


def _find_bpe_model(export: bool, checkpoint: Path | None) -> Path | None:
    """Of a folder that holds the checkpoint, wherever in it."""
    if export or checkpoint is None:
        return None
    return next(iter(sorted(checkpoint.rglob("bpe.model"))), None)


def _find_detector(asked: str) -> Path:
    """Before anything is downloaded."""
    from auricle.build.checkpoint.silero import find_vad

    return find_vad(asked)


def _add_vad(built: "Built", detector: Path, wanted: "Options") -> "Built":
    from auricle.build.families.silero_vad import add_vad

    return add_vad(built, detector, wanted)


def _check_mode(built: "Built", *, asked: bool) -> None:
    from auricle.errors import CheckpointError

    if asked and not built.spec.streaming:
        raise CheckpointError(
            "--streaming was asked for, but this checkpoint's encoder takes whole utterances; name "
            "a streaming export with --from, or leave --streaming out"
        )


def _read_speech(folder: Path) -> "Speech":
    from auricle.gate.speech import read_speech

    return read_speech(folder)
