"""What serving adds to the latency of one request: the wire, Triton, the queue, the packing.

    auricle serve --repo REPO
    python benchmarks/added_latency.py REPO/MODEL AUDIO... --json docs/raw/added-latency.json

Every waveform goes through the same pipeline twice, in this process and on the idle server, one
right after the other, either of them first in turn; what counts is the difference of each pair.
"""

import asyncio
import json as json_format
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import served_model
import typer

from auricle.audio import Waveform
from auricle.client.bench import machine, triton, workload
from auricle.client.manifests import find_audio
from auricle.serve.pipeline import Pipeline


@dataclass(frozen=True)
class Pair:
    """The same waveform, twice."""

    audio_s: float
    in_process_ms: float
    served_ms: float
    is_equal: bool


@dataclass(frozen=True)
class Answer:
    text: str
    ms: float


async def recognise_served(target: triton.Target, index: int) -> Answer:
    start = time.perf_counter()
    text = await target(index)
    return Answer(text, 1e3 * (time.perf_counter() - start))


def recognise_here(pipeline: Pipeline, waveform: Waveform) -> Answer:
    start = time.perf_counter()
    (transcript,) = pipeline.transcribe([waveform])
    return Answer(transcript.text, 1e3 * (time.perf_counter() - start))


async def compare(
    pipeline: Pipeline, target: triton.Target, waveforms: list[Waveform], passes: int
) -> list[Pair]:
    """`passes` over all waveforms, after one more to warm up."""
    rate = pipeline.spec.sample_rate
    target.prepare(waveforms, rate)
    pairs = []
    for number in range(passes + 1):
        for index, waveform in enumerate(waveforms):
            if (number + index) % 2:
                served = await recognise_served(target, index)
                here = recognise_here(pipeline, waveform)
            else:
                here = recognise_here(pipeline, waveform)
                served = await recognise_served(target, index)
            pairs.append(Pair(len(waveform) / rate, here.ms, served.ms, here.text == served.text))
    return pairs[len(waveforms) :]


def describe(pairs: list[Pair]) -> str:
    added = [pair.served_ms - pair.in_process_ms for pair in pairs]
    return (
        f"{len(pairs)} pairs, {sum(pair.is_equal for pair in pairs)} with equal transcripts: "
        f"median {median(pair.in_process_ms for pair in pairs):.1f} ms in process, "
        f"{median(pair.served_ms for pair in pairs):.1f} ms served; "
        f"added: median {median(added):.2f} ms, p90 {quantiles(added, n=10)[-1]:.2f} ms"
    )


def main(  # noqa: PLR0913, PLR0917
    folder: Annotated[Path, typer.Argument(help="The served model: REPO/MODEL.")],
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    url: Annotated[str, typer.Option(help="The server's gRPC address.")] = "localhost:8001",
    seconds: Annotated[str, typer.Option(help="Join audio to such lengths.")] = "2:15",
    mixes: Annotated[int, typer.Option(help="The number of such lengths.")] = 96,
    passes: Annotated[int, typer.Option(help="Over all of them.")] = 3,
    json: Annotated[Path | None, typer.Option(help="Keep every pair in this file.")] = None,
) -> None:
    pipeline = served_model.load(folder)
    rate = pipeline.spec.sample_rate
    audio = workload.read(find_audio(files), rate)
    mixed = workload.mix(audio, workload.parse_mix(seconds, mixes, seed=1), rate)
    here = machine.describe()

    async def measure() -> list[Pair]:
        async with triton.connect(url, folder.name) as target:
            return await compare(pipeline, target, list(mixed.values()), passes)

    pairs = asyncio.run(measure())
    typer.echo(describe(pairs))
    if json:
        record = {"machine": asdict(here), "pairs": [asdict(pair) for pair in pairs]}
        json.write_text(json_format.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
