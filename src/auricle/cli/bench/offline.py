"""auricle bench without --streaming: what a running server does under each load."""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.cli import EXIT_FAILED
from auricle.cli.bench import steps

if TYPE_CHECKING:
    from auricle.build.export.ceiling import Gauge
    from auricle.client.bench.experiment import Plan
    from auricle.client.bench.record import Record

ENCODERS = ("encoder*.onnx", "model*.onnx")  # a transducer's, or all of a CTC model


@dataclass(frozen=True)
class Wanted:
    """What to hold a run against: the encoder of a checkpoint, and transcripts in Kaldi's form."""

    checkpoint: Path | None
    trans: Path | None


def measure(asked: steps.Asked, plan: "Plan", wanted: Wanted, json: Path | None) -> None:
    """Print the table; a run with a failure ends the command by 1."""
    from auricle.client.bench.report import markdown

    record = asyncio.run(_measure(asked, plan, wanted))
    typer.echo(markdown(each.summary for each in record.measured))
    if json:
        record.save(json)
    if any(each.summary.failed for each in record.measured):
        raise typer.Exit(EXIT_FAILED)


async def _measure(asked: steps.Asked, plan: "Plan", wanted: Wanted) -> "Record":
    from auricle.client.bench import experiment, machine, triton
    from auricle.client.bench.record import Record
    from auricle.client.manifests import read_text

    here = machine.describe()
    gauge = _gauge(wanted.checkpoint, plan) if wanted.checkpoint else None
    model = await steps.find_model(asked)
    async with triton.connect(asked.url, model, asked.credentials, asked.parameters) as target:
        expected = read_text(wanted.trans) if wanted.trans else None
        truth = await experiment.find_truth(target, plan, expected)
        measured = []
        async for each in experiment.measure(target, plan, truth, gauge):
            typer.echo(f"{each.summary.load}: {each.summary.throughput:.1f} audio s/s", err=True)
            measured.append(each)
        server = await target.server_version()
    ceilings = [asdict(each) for each in gauge.ceilings] if gauge else []
    extra: dict[str, object] = {"ceilings": ceilings, "parameters": asked.parameters}
    return Record(here, server, model, truth, measured, extra)


def _gauge(checkpoint: Path, plan: "Plan") -> "Gauge":
    from auricle.build.checkpoint.files import choose_graph, list_files
    from auricle.build.export.ceiling import Gauge
    from auricle.client.bench import machine

    names = list_files(checkpoint)
    pattern = next((each for each in ENCODERS if list(checkpoint.glob(each))), ENCODERS[0])
    encoder = checkpoint / choose_graph(names, pattern, "fp32")
    features = steps.extract_features(list(plan.waveforms.values()), plan.sample_rate)
    return Gauge(encoder, features, machine.describe().cores)
