"""auricle build: a published checkpoint -> a model in a Triton repository."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.cli.build import options
from auricle.cli.build.accuracy import Trial, build_plain, check_accuracy, plain
from auricle.cli.build.arithmetic import Asked
from auricle.cli.build.options import Precision, Quantization, Runner
from auricle.cli.build.source import Upstream, Wish, find

if TYPE_CHECKING:
    from auricle.build.families import Built, Options
    from auricle.gate.speech import Speech


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
    _check_needs(precision, wer_set, max_wer_rise)
    speech = _read_speech(wer_set) if wer_set else None
    asked = Asked(precision, quantization, calibration, python)
    asked.check()
    wanted = families.Options(
        precision.value,
        parity_audio,
        streaming,
        feature_edges.value if feature_edges else None,
        asked.bfloat(),
        asked.speech(),
    )
    has_exporter = export or precision is not Precision.bf16
    upstream = Upstream(
        export, checkout, python if has_exporter else None, tuple(exporter_arguments or ())
    )
    every = [wanted, *([plain(wanted)] if speech else [])]
    detector = _find_detector(vad) if vad else None
    with find(known, Wish(checkpoint, lock, every, upstream)) as source:
        built = known.build(source, wanted)
        if detector:
            built = _add_vad(built, detector, wanted)
        typer.echo("\n".join(built.report))
        _check_mode(built, asked=streaming)
        if speech:
            fp32 = build_plain(known, source, wanted)
            trial = Trial({"fp32": fp32, precision.value: built}, name, wer_set or Path())
            check_accuracy(trial, speech, max_wer_rise)
    bpe = _find_bpe_model(checkpoint) if checkpoint and not export else None
    helped = aids.Aids(lm, lm_units.value, hotwords, bpe)
    deployment = populate.Deployment(runner.value, instances, force, helped)
    written = populate.populate(built, name, repo, deployment)
    for folder in written.folders:
        typer.echo(f"written   {folder}")
    for path in written.kept:
        typer.echo(f"kept      {path}, which was edited; --force overwrites it")


def _find_bpe_model(checkpoint: Path) -> Path | None:
    """Of a folder that holds the checkpoint, wherever in it."""
    return next(iter(sorted(checkpoint.rglob("bpe.model"))), None)


def _find_detector(asked: str) -> Path:
    """Before anything is downloaded."""
    from auricle.build.checkpoint.silero import find_vad

    return find_vad(asked)


def _add_vad(built: "Built", detector: Path, wanted: "Options") -> "Built":
    from auricle.build.families.silero_vad import add_vad

    return add_vad(built, detector, wanted)


def _check_needs(precision: Precision, wer_set: Path | None, max_wer_rise: float | None) -> None:
    if max_wer_rise is not None and not wer_set:
        raise typer.BadParameter("--max-wer-rise needs transcribed speech: give it with --wer-set")
    if wer_set and precision is Precision.fp32:
        raise typer.BadParameter(
            "--wer-set compares a reduced model with the fp32 one; add --precision int8, fp16 or "
            "bf16"
        )


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
