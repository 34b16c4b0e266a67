"""NVIDIA's own perf_analyzer takes the audio that we write for it, and our models answer it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from auricle import audio
from auricle.client import perf_input
from auricle.server import Server

pytestmark = pytest.mark.triton

CHUNK = 10240  # samples, 640 ms


@pytest.fixture(scope="session")  # before the servers, which a skip then never starts
def perf_analyzer() -> str:
    found = shutil.which("perf_analyzer")
    if not found:
        pytest.skip("no perf_analyzer on PATH; docs/benchmarks.md says where to get it")
    return found


@pytest.fixture(scope="module")
def waveforms(test_wavs: Path) -> list[audio.Waveform]:
    return [audio.load(path, 16000) for path in sorted(test_wavs.glob("*.wav"))[:8]]


def analyze(perf_analyzer: str, server: Server, *options: str) -> list[int]:
    """The requests that were answered at each level; a failure of one ends perf_analyzer by 1."""
    command = [perf_analyzer, "-u", server.grpc_address, "-i", "grpc", "-b", "1", "-p", "1000",
               "-s", "999", "--concurrency-range", "1:2", *options]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "error" not in done.stderr.lower()
    return [int(count) for count in re.findall(r"Successful request count: (\d+)", done.stdout)]


def test_whole_utterances_are_answered(
    perf_analyzer: str, demo_server: Server, waveforms: list[audio.Waveform], tmp_path: Path
) -> None:
    path = perf_input.save_offline(waveforms, tmp_path)
    counts = analyze(perf_analyzer, demo_server, "-m", "demo", "--input-data", str(path))
    assert len(counts) == 2
    assert min(counts) > len(waveforms)


def test_streams_are_answered_from_their_start_to_their_end(
    perf_analyzer: str, listener_server: Server, waveforms: list[audio.Waveform], tmp_path: Path
) -> None:
    path = perf_input.save_streams(waveforms, CHUNK, tmp_path)
    rate = "asr_sample_rate:16000:int"
    options = (
        "-m",
        "listener",
        "--streaming",
        "--input-data",
        str(path),
        "--request-parameter",
        rate,
    )
    counts = analyze(perf_analyzer, listener_server, *options)
    assert len(counts) == 2
    assert min(counts) > len(waveforms)
