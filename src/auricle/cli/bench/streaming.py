"""auricle bench --streaming: how many real-time streams a running server sustains."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.cli import EXIT_FAILED
from auricle.cli.bench import steps

if TYPE_CHECKING:
    from auricle.client.bench.streaming.experiment import StreamPlan
    from auricle.client.bench.streaming.record import StreamRecord


def measure(asked: steps.Asked, plan: "StreamPlan", trans: Path | None, json: Path | None) -> None:
    """Print the table and the conclusion; a level with a failure ends the command by 1."""
    from auricle.client.bench.streaming.report import conclude, largest, markdown

    record = asyncio.run(_measure(asked, plan, trans))
    if json:
        record.save(json)
    summaries = [each.summary for each in record.measured]
    typer.echo(markdown(summaries))
    typer.echo(conclude(summaries, plan.chunk_ms, record.machine.cores), err=True)
    best = largest(summaries)
    if not best or any(one.failed for one in summaries if one.streams <= best[0].streams):
        raise typer.Exit(EXIT_FAILED)


async def _measure(asked: steps.Asked, plan: "StreamPlan", trans: Path | None) -> "StreamRecord":
    from auricle.client.bench import machine
    from auricle.client.bench.streaming import experiment
    from auricle.client.bench.streaming.record import StreamRecord
    from auricle.client.bench.streaming.target import connect
    from auricle.client.manifests import read_text

    here = machine.describe()
    model = await steps.find_model(asked)
    async with connect(asked.url, model, asked.credentials, asked.parameters) as target:
        truth = await experiment.find_truth(target, plan, read_text(trans) if trans else None)
        measured = []
        async for each in experiment.measure(target, plan, truth):
            one = each.summary
            late = f"p95 {one.chunk_ms.get('p95', 0.0):.0f} ms, {one.failed} failed"
            typer.echo(f"{each.run.level}: {late}", err=True)
            measured.append(each)
        server = await target.server.server_version()
    details = {
        "chunk_ms": plan.chunk_ms,
        "seconds": plan.seconds,
        "is_together": plan.is_together,
        "parameters": asked.parameters,
    }
    return StreamRecord(here, server, model, truth, measured, details)
