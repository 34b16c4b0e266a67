"""One stream of an hour, as fast as it is understood: does memory grow, do answers slow down?

    auricle serve --repo REPO
    python benchmarks/stream_hour.py client/test_wavs --model-name live --json stream-hour.json

The audio is repeated, with endpoints, so that segments end. Latency is the wall time of a request
of 640 ms; memory is that of Triton and its stubs, looked at after each minute of audio.
"""

import json
import secrets
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import tritonclient.grpc as kserve
import typer

from auricle.audio import Waveform
from auricle.client.bench import machine, workload
from auricle.client.manifests import find_audio

SAMPLE_RATE = 16000
CHUNK = 10240  # samples, 640 ms
EDGE_S = 300.0  # of audio: the first and the last five minutes
PARAMETERS = {"asr_sample_rate": SAMPLE_RATE, "asr_endpoint": True}


class Speaker:
    """One sequence of a model."""

    def __init__(self, url: str, model: str) -> None:
        self.client, self.model = kserve.InferenceServerClient(url), model
        self.stream_id = secrets.randbelow(2**63 - 1) + 1

    def say(self, samples: Waveform, *, is_first: bool = False, is_last: bool = False) -> float:
        """Seconds until the answer."""
        wav = kserve.InferInput("WAV", [1, len(samples)], "FP32").set_data_from_numpy(samples[None])
        lens = kserve.InferInput("WAV_LENS", [1, 1], "INT32")
        lens.set_data_from_numpy(np.array([[len(samples)]], np.int32))
        begun = time.perf_counter()
        self.client.infer(
            self.model,
            [wav, lens],
            sequence_id=self.stream_id,
            sequence_start=is_first,
            sequence_end=is_last,
            parameters=PARAMETERS,
            outputs=[kserve.InferRequestedOutput(name) for name in ("TRANSCRIPTS", "RESULT")],
        )
        return time.perf_counter() - begun


def talk(speaker: Speaker, audio: Waveform, seconds: float, pid: int) -> dict[str, list[float]]:
    """latencies_s of each chunk, and rss_bytes after each minute of audio."""
    num_chunks = int(seconds * SAMPLE_RATE / CHUNK)
    looped = np.concatenate([audio, audio[:CHUNK]])
    latencies, memory = [], [float(_memory(pid))]
    for number in range(num_chunks):
        start = number * CHUNK % len(audio)
        chunk = looped[start : start + CHUNK]
        latencies.append(speaker.say(chunk, is_first=number == 0))
        if (number + 1) * CHUNK // (60 * SAMPLE_RATE) > number * CHUNK // (60 * SAMPLE_RATE):
            memory.append(float(_memory(pid)))
    speaker.say(audio[:0], is_last=True)
    return {"latencies_s": latencies, "rss_bytes": memory}


def _memory(pid: int) -> int:
    usage = machine.usage(pid)
    if usage is None:
        raise typer.BadParameter("the server has ended")
    return usage.rss_bytes


def main(
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    model_name: Annotated[str, typer.Option(help="A model of streams.")],
    json_path: Annotated[Path, typer.Option("--json", help="The file to write.")],
    url: Annotated[str, typer.Option(help="Auricle's gRPC address.")] = "localhost:8001",
    seconds: Annotated[float, typer.Option(help="Of audio.")] = 3600,
) -> None:
    pid = machine.find_server(url)
    if pid is None:
        raise typer.BadParameter("memory is read on this machine, and no one tritonserver is here")
    audio = np.concatenate(list(workload.read(find_audio(files), SAMPLE_RATE).values()))
    here = machine.describe()
    found = talk(Speaker(url, model_name), audio, seconds, pid)
    facts = {"machine": asdict(here), "model": model_name, "seconds": seconds, **found}
    json_path.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    edge = int(EDGE_S * SAMPLE_RATE / CHUNK)
    first, last = (
        1000 * median(found["latencies_s"][part]) for part in (slice(edge), slice(-edge, None))
    )
    memory = found["rss_bytes"]
    grown = (memory[-1] - memory[min(5, len(memory) - 1)]) / 2**20
    typer.echo(
        f"median latency {first:.1f} ms in the first five minutes, {last:.1f} ms in the last "
        f"({last / first:.2f}x); memory after them {grown:+.1f} MB of {memory[-1] / 2**20:.0f}"
    )


if __name__ == "__main__":
    typer.run(main)
