"""A thousand streams whose clients are killed while others talk: who is harmed, what stays behind?

    auricle serve --repo REPO
    python benchmarks/killed_clients.py client/test_wavs --model-name live

Each child process opens its share of the streams, sends chunks to all of them and is killed amid
that. Meanwhile four callers stream utterances; each text is held against that of the same audio
alone. Then the gauge asr_active_streams must fall to 0.
"""

import signal
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import numpy as np
import typer

from auricle.audio import Waveform
from auricle.client import Client
from auricle.client.bench import workload
from auricle.client.manifests import find_audio

SAMPLE_RATE = 16000
CHUNK = 10240
CALLERS = 4
IDLE_S = 80.0  # Triton's minute, the model's five seconds, and room
VICTIM = """
import sys
sys.path.insert(0, "benchmarks")
import numpy as np
from stream_hour import Speaker
url, model, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
speakers = [Speaker(url, model) for _ in range(count)]
noise = np.random.default_rng(0).normal(0, 0.05, 8000).astype(np.float32)
for speaker in speakers:
    speaker.say(noise, is_first=True)
print("talking", flush=True)
while True:
    for speaker in speakers:
        speaker.say(noise)
"""


def transcribe(client: Client, waveform: Waveform) -> str:
    chunks = np.split(waveform, range(CHUNK, len(waveform), CHUNK))
    return [partial.text for partial in client.stream(chunks, rate=SAMPLE_RATE)][-1]


def kill_streams(url: str, model: str, streams: int, processes: int) -> None:
    command = [sys.executable, "-c", VICTIM, url, model, str(streams // processes)]
    for _ in range(processes):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as victim:
            assert victim.stdout, "it is a pipe"
            victim.stdout.readline()
            time.sleep(0.2)
            victim.send_signal(signal.SIGKILL)


def talk(url: str, model: str, speech: list[Waveform], ended: threading.Event) -> tuple[int, int]:
    """Streams that were right, and that were not."""
    right = wrong = 0
    with Client(url, model=model) as client:
        truth = [transcribe(client, waveform) for waveform in speech]
        while not ended.is_set():
            for waveform, text in zip(speech, truth, strict=True):
                same = transcribe(client, waveform) == text
                right, wrong = right + same, wrong + (not same)
    return right, wrong


def active(metrics: str) -> int:
    with urllib.request.urlopen(f"http://{metrics}/metrics") as answer:  # our own
        page = answer.read().decode()
    lines = (line for line in page.splitlines() if line.startswith("asr_active_streams{"))
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)


def main(
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    model_name: Annotated[str, typer.Option(help="A model of streams.")],
    url: Annotated[str, typer.Option(help="Auricle's gRPC address.")] = "localhost:8001",
    metrics: Annotated[str, typer.Option(help="Its metrics address.")] = "localhost:8002",
    streams: Annotated[int, typer.Option(help="That are killed.")] = 1000,
    processes: Annotated[int, typer.Option(help="One after the other.")] = 20,
) -> None:
    speech = list(workload.read(find_audio(files), SAMPLE_RATE).values())[: 2 * CALLERS]
    ended = threading.Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(talk, url, model_name, speech[n::CALLERS], ended)
                   for n in range(CALLERS)]  # fmt: skip
        kill_streams(url, model_name, streams, processes)
        left = active(metrics)
        ended.set()
        right, wrong = map(sum, zip(*(caller.result() for caller in callers), strict=True))
    begun = time.monotonic()
    while (behind := active(metrics)) and time.monotonic() - begun < IDLE_S:
        time.sleep(1)
    typer.echo(
        f"{streams} streams killed, {left} of them still held then and {behind} after "
        f"{time.monotonic() - begun:.0f} s; meanwhile {right} streams were right, {wrong} were not"
    )
    if wrong or behind:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
