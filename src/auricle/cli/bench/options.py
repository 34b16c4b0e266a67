"""The options of `auricle bench`."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from auricle.client.bench.load import Load
    from auricle.client.bench.workload import Mix

# What is sent.
Files = Annotated[list[str] | None, typer.Argument(help="Audio: files, folders, globs.")]
WavScp = Annotated[Path | None, typer.Option(help="Audio by a Kaldi wav.scp.")]
Trans = Annotated[
    Path | None, typer.Option(help="The transcripts to expect; without it, first answers.")
]
Seconds = Annotated[
    str, typer.Option(help="Join audio to such lengths: 2:15; with --graph one length, or 10.")
]
Mixes = Annotated[int, typer.Option(min=1, help="The number of such lengths.")]
SampleRate = Annotated[int, typer.Option(min=1, help="The model's, in Hz.")]
# Where it is sent.
Url = Annotated[str, typer.Option("--url", "-u", envvar="AURICLE_URL", help="host:port of gRPC.")]
ModelName = Annotated[str | None, typer.Option(envvar="AURICLE_MODEL", help="The served model.")]
# How much at a time, and how often.
Concurrency = Annotated[str, typer.Option(help="Closed loops of so many callers.")]
Rate = Annotated[str, typer.Option(help="Open loops of so many requests/s.")]
Requests = Annotated[int | None, typer.Option(min=1, help="In a run; without it, all.")]
Repeat = Annotated[int, typer.Option(min=1, help="Runs of each load, in turn.")]
Seed = Annotated[int, typer.Option(help="Of lengths, order and random weights.")]
# What is measured beside it, and kept.
Checkpoint = Annotated[Path | None, typer.Option(help="Its encoder alone gives the efficiency.")]
ServerPid = Annotated[int | None, typer.Option(help="Whose time and memory to watch.")]
Json = Annotated[Path | None, typer.Option(help="Keep every run raw in this file.")]
# Streams.
Streaming = Annotated[
    bool, typer.Option("--streaming", help="Real-time streams, to a streaming model.")
]
ChunkMs = Annotated[float, typer.Option(min=10, help="Of audio in each request of a stream.")]
Streams = Annotated[
    str, typer.Option(help="Levels of so many streams: 1,16. Without: find the most.")
]
LevelSeconds = Annotated[
    float, typer.Option(min=1, help="Of each level; utterances that have begun are ended.")
]
Together = Annotated[
    bool, typer.Option("--together", help="All streams' chunks come at the same moments.")
]
# Encoders alone.


class Provider(str, Enum):
    """What runs a graph."""

    cpu = "cpu"
    cuda = "cuda"
    tensorrt = "tensorrt"


def _check_plot(path: Path | None) -> Path | None:
    from auricle.client.figures import SUFFIXES

    if path and path.suffix not in SUFFIXES:
        raise typer.BadParameter(f"{path} ends in none of {', '.join(SUFFIXES)}")
    return path


Graphs = Annotated[
    list[Path] | None,
    typer.Option(
        "--graph",
        help="No server: a graph alone, or a model's encoder by its folder; more may be given.",
    ),
]
Batch = Annotated[str, typer.Option(help="Rows in each run of a graph.")]
Providers = Annotated[
    list[Provider],
    typer.Option(
        "--provider", help="What runs graphs, more may be given; tensorrt: the plan beside each."
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="Of a graph on the CPU.")]
Rounds = Annotated[
    int, typer.Option(min=1, help="Runs of each graph and batch, in turn; fewer of slow ones.")
]
Plot = Annotated[
    Path | None,
    typer.Option(callback=_check_plot, help="Graphs: QPS over batch, png, svg or pdf."),
]
# A model to measure.
MakeCheckpoint = Annotated[
    Path | None,
    typer.Option(
        help="Only write a 30 M random transducer to this folder, for streams with --streaming."
    ),
]


def parse_mix(seconds: str, count: int, seed: int) -> "Mix | None":
    """None where utterances stay as they are."""
    from auricle.client.bench import workload

    if not seconds:
        return None
    try:
        return workload.parse_mix(seconds, count, seed)
    except ValueError:
        raise typer.BadParameter(f"--seconds {seconds!r}: two numbers, such as 2:15") from None


def parse_loads(concurrency: str, rate: str) -> list["Load"]:
    from auricle.client.bench.load import Load

    try:
        callers = [int(number) for number in concurrency.split(",") if number]
        rates = [float(number) for number in rate.split(",") if number]
    except ValueError as error:
        raise typer.BadParameter(
            f"--concurrency and --rate are lists of numbers: {error}"
        ) from None
    if not all(number > 0 for number in (*callers, *rates)):
        raise typer.BadParameter("--concurrency and --rate are lists of numbers above 0")
    return [Load(concurrency=number) for number in callers] + [Load(rate=one) for one in rates]


def parse_batches(batch: str) -> list[int]:
    try:
        sizes = [int(number) for number in batch.split(",") if number]
    except ValueError as error:
        raise typer.BadParameter(f"--batch is a list of numbers: {error}") from None
    if not sizes or not all(number > 0 for number in sizes):
        raise typer.BadParameter("--batch is a list of numbers above 0")
    return sizes


def parse_length(seconds: str) -> float:
    """Of audio; ten seconds where nobody said."""
    try:
        length = float(seconds or 10)
    except ValueError:
        length = 0.0
    if length <= 0:
        raise typer.BadParameter(f"--seconds {seconds!r}: with --graph one number above 0")
    return length


def parse_levels(streams: str) -> list[int]:
    try:
        levels = [int(number) for number in streams.split(",") if number]
    except ValueError as error:
        raise typer.BadParameter(f"--streams is a list of numbers: {error}") from None
    if not all(number > 0 for number in levels):
        raise typer.BadParameter("--streams is a list of numbers above 0")
    return levels
