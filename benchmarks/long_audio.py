"""One long recording against its utterances one by one, on a running server.

    auricle build icefall-transducer --from CHECKPOINT --name NAME --repo REPO --vad auto
    auricle serve --repo REPO --max-request-mb 256
    python benchmarks/long_audio.py NAME AUDIO... --json docs/raw/long-audio.json

The recording is made of the utterances, with silences of 0.4 to 1.5 s between them; its one request
asks for asr_vad. The utterances are requests of their own, so many at once that no core waits. Both
in turn, round after round; the ratio is of the times for the same utterances.
"""

import json as json_format
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from auricle.client import Client
from auricle.client.bench import machine, workload
from auricle.client.manifests import find_audio
from auricle.client.scoring import score


@dataclass(frozen=True)
class Round:
    """Seconds that both took.  error_rate: percent, of the one's words to the other's."""

    long_s: float
    separate_s: float
    error_rate: float


def measure(client: Client, recording: workload.Recording, audio: workload.Waveforms,
            concurrency: int) -> Round:  # fmt: skip
    start = time.perf_counter()
    done = client.transcribe(recording.waveform, details=True, parameters={"asr_vad": True})
    long_s = time.perf_counter() - start
    start = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        texts = list(pool.map(lambda name: client.transcribe(audio[name]).text, recording.names))
    separate_s = time.perf_counter() - start
    error_rate = score({"all": " ".join(texts)}, {"all": done.text}, "word").error_rate
    return Round(long_s, separate_s, error_rate)


def describe(rounds: list[Round], recording: workload.Recording, rate: int) -> str:
    seconds = len(recording.waveform) / rate
    long_s, separate_s = (median(getattr(each, name) for each in rounds)
                          for name in ("long_s", "separate_s"))  # fmt: skip
    return (
        f"{len(recording.names)} utterances, {seconds / 60:.1f} min: {long_s:.2f} s as one request "
        f"({seconds / long_s:.0f} x real time), {separate_s:.2f} s as {len(recording.names)} "
        f"requests; ratio {median(each.separate_s / each.long_s for each in rounds):.2f} "
        f"({min(each.separate_s / each.long_s for each in rounds):.2f} to "
        f"{max(each.separate_s / each.long_s for each in rounds):.2f})"
    )


def main(  # noqa: PLR0913, PLR0917
    model: Annotated[str, typer.Argument(help="The served model's name, built with --vad.")],
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    url: Annotated[str, typer.Option(help="The server's gRPC address.")] = "localhost:8001",
    minutes: Annotated[float, typer.Option(help="Of the recording.")] = 20,
    concurrency: Annotated[int, typer.Option(help="Separate requests at once.")] = 16,
    rounds: Annotated[int, typer.Option(help="Of both, behind one that is not counted.")] = 5,
    json: Annotated[Path | None, typer.Option(help="Keep every round in this file.")] = None,
) -> None:
    rate = 16000
    audio = workload.read(find_audio(files), rate)
    recording = workload.record(audio, 60 * minutes, rate)
    here = machine.describe()
    with Client(url, model=model) as client:
        measured = [measure(client, recording, audio, concurrency) for _ in range(rounds + 1)][1:]
    typer.echo(describe(measured, recording, rate))
    typer.echo(f"words that differ: {measured[0].error_rate:.2f} %")
    if json:
        record = {"machine": asdict(here), "model": model, "minutes": minutes}
        record |= {"utterances": len(recording.names), "concurrency": concurrency}
        record |= {"rounds": [asdict(each) for each in measured]}
        json.write_text(json_format.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
