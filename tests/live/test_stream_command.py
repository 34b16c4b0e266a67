"""auricle stream and the example client against a stateful model on a real tritonserver."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from auricle.server import Server
from tests.client.test_transcribe_command import wait_for
from tests.conftest import ROOT
from tests.live.test_stream_client import speech, streams_left

pytestmark = pytest.mark.triton

COMMAND = [str(Path(sys.executable).with_name("auricle")), "stream", "--model-name", "listener"]


@pytest.fixture(scope="module")
def server(listener_server: Server) -> Server:
    return listener_server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twenty utterances, each known by its level, and the transcripts that they should have."""
    text = ""
    for level in range(1, 21):
        waveform = speech(*[level] * (level % 5 + 1), tail=800)
        soundfile.write(tmp_path / f"u{level}.wav", waveform, 16000, subtype="FLOAT")
        text += f"u{level} {' '.join([str(level)] * (level % 5 + 2))}\n"
    (tmp_path / "text").write_text(text)
    return tmp_path


@pytest.mark.parametrize("arguments", [(), ("--simulate-streaming", "--chunk-ms", "70")])
def test_a_set_of_parallel_streams_is_transcribed_and_scored(
    server: Server, data: Path, arguments: tuple[str, ...]
) -> None:
    command = [*COMMAND, str(data), "--trans", str(data / "text"), "-u", server.grpc_address]
    done = subprocess.run(
        [*command, "--num-tasks", "20", *arguments], capture_output=True, text=True, check=True
    )
    assert sorted(done.stdout.splitlines()) == sorted((data / "text").read_text().splitlines())
    assert "%WER 0.00" in done.stderr
    assert streams_left(server) == 0


def test_http_gives_what_grpc_gives(server: Server, data: Path) -> None:
    command = [*COMMAND, str(data), "--chunk-ms", "150"]
    by_grpc, by_http = (
        subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout
        for arguments in (
            ("-u", server.grpc_address),
            ("-u", server.http_address, "--protocol", "http"),
        )
    )
    assert by_grpc == by_http != ""


def test_a_second_pass_betters_each_finished_segment(server: Server, tmp_path: Path) -> None:
    waveform = speech(3, 3, 0, 0, 4, 0, 5, tail=800)
    soundfile.write(tmp_path / "a.wav", waveform, 16000, subtype="FLOAT")
    command = [*COMMAND, str(tmp_path), "-u", server.grpc_address, "--second-pass", "echo"]
    command += ["--parameter", "asr_endpoint=true", "--chunk-ms", "70", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["first_pass"] == "3 3 4 5 5"
    assert told["text"] == "4800 samples 4800 samples 2400 samples"
    assert [one["text"] for one in told["segments"]] == ["4800 samples"] * 2 + ["2400 samples"]
    assert len(told["times"]["second_pass_s"]) == 3
    assert "a 0.30 to 0.60 s, second pass: 4800 samples\n" in done.stderr
    assert "\nsecond pass ms: " in done.stderr


def test_a_second_model_that_is_not_there_is_exit_2(server: Server, data: Path) -> None:
    command = [*COMMAND, str(data), "-u", server.grpc_address, "--second-pass", "whisper"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown model 'whisper'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_ends_its_streams(
    server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    long = np.tile(speech(7), 600)
    soundfile.write(tmp_path / "long.wav", long, 16000, subtype="FLOAT")
    command = ["env", "--default-signal=INT", *COMMAND, str(tmp_path / "long.wav")]
    command += ["-u", server.grpc_address, "--simulate-streaming", "--chunk-ms", "50"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: streams_left(server) == 1)
        process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert streams_left(server) == 0


def test_the_example_client_prints_the_text_as_it_grows(server: Server, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.tile(speech(6), 8)[:-30], 16000, subtype="PCM_16")
    command = [sys.executable, str(ROOT / "client" / "stream.py"), str(tmp_path / "a.wav")]
    command += ["--url", server.grpc_address, "--model", "listener"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    texts = [" ".join(["6"] * number) for number in (6, 7, 8)]
    assert done.stdout.splitlines() == texts
    assert streams_left(server) == 0
