"""auricle demo: build the demo models, serve them, transcribe 40 utterances, stop."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.cli import EXIT_FAILED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from auricle.client.corpus import Outcome
    from auricle.client.manifests import Utterance
    from auricle.client.reports import Speed
    from auricle.client.scoring import Score

MODELS = {"demo": "icefall-transducer", "demo-ctc": "icefall-ctc"}
NUM_TASKS = 4


def run(
    root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
    report: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("demo-report.json"),
    serve: Annotated[bool, typer.Option("--serve", help="Keep serving on 8000 to 8002.")] = False,
) -> None:
    """Build the demo models, serve them, transcribe 40 utterances and print what came out."""
    from auricle.cli import serve as serve_command
    from auricle.client import manifests

    repository = root / "model_repo_offline"
    build_models(root / "assets", repository)
    if serve:
        serve_command.run([str(repository)])
        return
    folder = root / "client" / "test_wavs"
    utterances = manifests.read_wav_scp(folder / "wav.scp")
    references = manifests.read_text(folder / "text")
    outcomes, seconds = transcribe(repository, utterances)
    if not show(outcomes, references, seconds, report):
        raise typer.Exit(EXIT_FAILED)


def build_models(assets: Path, repository: Path) -> None:
    from auricle.cli import build

    for name, family in MODELS.items():
        build.run(family, name=name, repo=repository, checkpoint=assets / family)


def transcribe(repository: Path, utterances: Sequence[Utterance]) -> tuple[list[Outcome], float]:
    """Serve the repository while the utterances are sent; outcomes in any order, seconds."""
    from auricle.client import AsyncClient
    from auricle.client.corpus import Load, transcribe_corpus
    from auricle.server import Options, free_ports
    from auricle.server import serve as serving

    async def send(address: str) -> list[Outcome]:
        async with AsyncClient(address, model="demo") as client:
            load = Load(NUM_TASKS)
            return [outcome async for outcome in transcribe_corpus(client, utterances, load)]

    options = Options([repository], ports=free_ports(), log_file=Path("demo-server.log"))
    with serving(options) as server:
        typer.echo(f"ready in {server.ready_s:.1f} s: {', '.join(server.models)}")
        start = time.perf_counter()
        outcomes = asyncio.run(send(server.grpc_address))
        return outcomes, time.perf_counter() - start


def show(
    outcomes: Sequence[Outcome], references: Mapping[str, str], seconds: float, report: Path
) -> bool:
    """Print the table and the figures, write the report; False if an utterance failed."""
    from auricle.client import reports, scoring

    hypotheses = {one.id: one.transcription.text for one in outcomes if one.transcription}
    print_table(references, hypotheses)
    for one in outcomes:
        if one.error:
            typer.echo(f"auricle: {one.id}: {one.error}", err=True)
    score = scoring.score(references, hypotheses, "word")
    speed = reports.measure(outcomes, seconds)
    typer.echo(reports.kaldi_lines(score))
    if speed is None:
        return False
    typer.echo(f"{speed}\n{NUM_TASKS} requests at a time; the figures are in {report}")
    write_report(report, score, speed)
    return len(hypotheses) == len(references)


def print_table(references: Mapping[str, str], hypotheses: Mapping[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("utterance", "reference", "hypothesis")
    for name, reference in references.items():
        hypothesis = hypotheses.get(name, "")
        style = None if hypothesis == reference else "red"
        table.add_row(name, reference, hypothesis, style=style)
    Console().print(table)


def write_report(path: Path, score: Score, speed: Speed) -> None:
    """Wer and ser are in percent, rtfx in seconds of audio per second, latency in milliseconds."""
    figures = {
        "wer": round(score.error_rate, 2),
        "ser": round(score.sentence_error_rate, 2),
        "rtfx": round(speed.rtfx, 1),
        "latency_ms": {f"p{rank}": round(speed.latency_ms(rank), 1) for rank in (50, 95)},
        "utterances": len(score.utterances),
    }
    path.write_text(json.dumps(figures, indent=2) + "\n")
