"""auricle bench: load on a running server, its throughput, latency, truth and memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.cli import EXIT_FAILED, Parameters, TlsCa, TlsCert, TlsKey, split_parameters
from auricle.cli.bench.streaming import measure as measure_streams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from auricle.audio import Waveform
    from auricle.build.export.ceiling import Gauge
    from auricle.client import Credentials
    from auricle.client.bench.experiment import Plan
    from auricle.client.bench.load import Load
    from auricle.client.bench.record import Record
    from auricle.client.bench.workload import Mix, Waveforms

CALIBRATION_UTTERANCES = 12  # that set the token rate of a random checkpoint
ENCODERS = ("encoder*.onnx", "model*.onnx")  # a transducer's, or all of a CTC model


@dataclass(frozen=True)
class Asked:
    """The server, the one of its models, and what every request asks of it."""

    url: str
    model: str | None
    credentials: "Credentials"
    parameters: dict[str, str]


@dataclass(frozen=True)
class Wanted:
    """What to hold a run against: the encoder of a checkpoint, and transcripts in Kaldi's form."""

    checkpoint: Path | None
    trans: Path | None


def run(  # noqa: PLR0913, PLR0917  # one parameter an option
    files: Annotated[list[str] | None, typer.Argument(help="Audio: files, folders, globs.")] = None,
    wavscp: Annotated[Path | None, typer.Option(help="Audio by a Kaldi wav.scp.")] = None,
    trans: Annotated[
        Path | None, typer.Option(help="The transcripts to expect; without it, first answers.")
    ] = None,
    url: Annotated[
        str, typer.Option("--url", "-u", envvar="AURICLE_URL", help="host:port of gRPC.")
    ] = "localhost:8001",
    tls_ca: TlsCa = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    model_name: Annotated[
        str | None, typer.Option(envvar="AURICLE_MODEL", help="The served model.")
    ] = None,
    parameter: Parameters = None,
    concurrency: Annotated[str, typer.Option(help="Closed loops of so many callers.")] = "1,4,32",
    rate: Annotated[str, typer.Option(help="Open loops of so many requests/s.")] = "",
    requests: Annotated[int | None, typer.Option(min=1, help="In a run; without it, all.")] = None,
    seconds: Annotated[str, typer.Option(help="Join audio to such lengths: 2:15.")] = "",
    mixes: Annotated[int, typer.Option(min=1, help="The number of such lengths.")] = 96,
    repeat: Annotated[int, typer.Option(min=1, help="Runs of each load, in turn.")] = 1,
    seed: Annotated[int, typer.Option(help="Of lengths, order and random weights.")] = 1,
    sample_rate: Annotated[int, typer.Option(min=1, help="The model's, in Hz.")] = 16000,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Its encoder alone gives the efficiency.")
    ] = None,
    server_pid: Annotated[int | None, typer.Option(help="Whose time and memory to watch.")] = None,
    json: Annotated[Path | None, typer.Option(help="Keep every run raw in this file.")] = None,
    streaming: Annotated[
        bool, typer.Option("--streaming", help="Real-time streams, to a streaming model.")
    ] = False,
    chunk_ms: Annotated[
        float, typer.Option(min=10, help="Of audio in each request of a stream.")
    ] = 640.0,
    streams: Annotated[
        str, typer.Option(help="Levels of so many streams: 1,16. Without: find the most.")
    ] = "",
    level_seconds: Annotated[
        float, typer.Option(min=1, help="Of each level; utterances that have begun are ended.")
    ] = 20.0,
    together: Annotated[
        bool, typer.Option("--together", help="All streams' chunks come at the same moments.")
    ] = False,
    make_checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Only write a 30 M random transducer to this folder, for streams with --streaming."
        ),
    ] = None,
) -> None:
    """Measure a running server with real audio; every transcript is checked."""
    from auricle.client import Credentials
    from auricle.client.bench import machine, workload
    from auricle.client.bench.experiment import Plan
    from auricle.client.bench.report import markdown
    from auricle.client.bench.streaming.experiment import StreamPlan

    waveforms = _read_audio(files or [], wavscp, sample_rate)
    if make_checkpoint:
        features = _features(list(waveforms.values())[:CALIBRATION_UTTERANCES], sample_rate)
        _make_checkpoint(make_checkpoint, features, seed, streaming=streaming)
        return
    if seconds:
        waveforms = workload.mix(waveforms, _parse_mix(seconds, mixes, seed), sample_rate)
    pid = server_pid or machine.find_server(url)
    credentials = Credentials(ca=tls_ca, certificate=tls_cert, private_key=tls_key)
    asked = Asked(url, model_name, credentials, split_parameters(parameter))
    if streaming:
        levels = _parse_levels(streams)
        stream_plan = StreamPlan(
            waveforms, sample_rate, chunk_ms, level_seconds, levels,
            repeats=repeat, is_together=together, seed=seed, server_pid=pid,
        )  # fmt: skip
        measure_streams(asked, stream_plan, trans, json)
        return
    loads = _parse_loads(concurrency, rate)
    plan = Plan(waveforms, sample_rate, loads, requests, repeat, seed, pid)
    record = asyncio.run(_measure(asked, plan, Wanted(checkpoint, trans)))
    typer.echo(markdown(each.summary for each in record.measured))
    if json:
        record.save(json)
    if any(each.summary.failed for each in record.measured):
        raise typer.Exit(EXIT_FAILED)


async def _measure(asked: Asked, plan: "Plan", wanted: Wanted) -> "Record":
    from auricle.client import AsyncClient
    from auricle.client.bench import experiment, machine, triton
    from auricle.client.bench.record import Record
    from auricle.client.manifests import read_text

    here = machine.describe()
    gauge = _gauge(wanted.checkpoint, plan) if wanted.checkpoint else None
    url, credentials = asked.url, asked.credentials
    async with AsyncClient(url, model=asked.model, credentials=credentials) as client:
        model = await client.model()
    async with triton.connect(url, model, credentials, asked.parameters) as target:
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


def _read_audio(files: Sequence[str], wavscp: Path | None, sample_rate: int) -> "Waveforms":
    from auricle.client.bench import workload
    from auricle.client.manifests import find_audio, read_wav_scp

    utterances = find_audio(files) + (read_wav_scp(wavscp) if wavscp else [])
    if not utterances:
        raise typer.BadParameter("name some audio: files, folders, or --wavscp")
    return workload.read(utterances, sample_rate)


def _parse_mix(seconds: str, count: int, seed: int) -> "Mix":
    from auricle.client.bench import workload

    try:
        return workload.parse_mix(seconds, count, seed)
    except ValueError:
        raise typer.BadParameter(f"--seconds {seconds!r}: two numbers, such as 2:15") from None


def _parse_loads(concurrency: str, rate: str) -> list["Load"]:
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


def _parse_levels(streams: str) -> list[int]:
    try:
        levels = [int(number) for number in streams.split(",") if number]
    except ValueError as error:
        raise typer.BadParameter(f"--streams is a list of numbers: {error}") from None
    if not all(number > 0 for number in levels):
        raise typer.BadParameter("--streams is a list of numbers above 0")
    return levels


def _gauge(checkpoint: Path, plan: "Plan") -> "Gauge":
    from auricle.build.checkpoint.files import choose_graph, list_files
    from auricle.build.export.ceiling import Gauge
    from auricle.client.bench import machine

    names = list_files(checkpoint)
    pattern = next((each for each in ENCODERS if list(checkpoint.glob(each))), ENCODERS[0])
    encoder = checkpoint / choose_graph(names, pattern, "fp32")
    features = _features(list(plan.waveforms.values()), plan.sample_rate)
    return Gauge(encoder, features, machine.describe().cores)


def _make_checkpoint(
    folder: Path, features: list["NDArray[np.float32]"], seed: int, *, streaming: bool
) -> None:
    from auricle.build import random_checkpoint

    random_checkpoint.write(folder, features, seed=seed, streaming=streaming)
    typer.echo(f"wrote a transducer of random weights to {folder}")


def _features(waveforms: Sequence["Waveform"], sample_rate: int) -> list["NDArray[np.float32]"]:
    from auricle.build.export.reference import kaldi_features
    from auricle.build.frontend.kaldi_fbank import FbankOptions

    return [kaldi_features(waveform, FbankOptions(sample_rate)) for waveform in waveforms]
