"""What scripts/generate_perf_input.py writes, which perf_analyzer reads (tests/live tries it)."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from auricle import audio
from auricle.client import perf_input
from tests.client.conftest import write_wav

SCRIPT = Path(__file__).parents[2] / "scripts" / "generate_perf_input.py"
WAVEFORMS = [
    np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    for length in (25, 10, 3)
]


def samples_of(request: perf_input.Request) -> npt.NDArray[np.float32]:
    """The WAV of a request, after it was held against its shape and WAV_LENS."""
    wav = request["WAV"]
    assert isinstance(wav, dict)
    assert request["WAV_LENS"] == wav["shape"] == [len(wav["content"])]
    return np.array(wav["content"], np.float32)


def test_a_whole_utterance_is_one_request_of_all_its_samples(tmp_path: Path) -> None:
    path = perf_input.save_offline(WAVEFORMS, tmp_path / "new")
    data = json.loads(path.read_text())["data"]
    assert path.name == "offline_input.json"
    for request, waveform in zip(data, WAVEFORMS, strict=True):
        np.testing.assert_array_equal(samples_of(request), waveform)


def test_the_chunks_of_a_stream_are_its_audio_and_none_is_empty(tmp_path: Path) -> None:
    path = perf_input.save_streams(WAVEFORMS, 10, tmp_path)
    data = json.loads(path.read_text())["data"]
    assert path.name == "online_input.json"
    assert [[step["WAV_LENS"] for step in stream] for stream in data] == [
        [[10], [10], [5]], [[10]], [[3]],
    ]  # fmt: skip
    for stream, waveform in zip(data, WAVEFORMS, strict=True):
        joined = np.concatenate([samples_of(step) for step in stream])
        np.testing.assert_array_equal(joined, waveform)


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def wav_scp(tmp_path: Path) -> Path:
    for name, num_samples in (("one", 1600), ("two", 2400)):
        write_wav(tmp_path / f"{name}.wav", num_samples)
    path = tmp_path / "wav.scp"
    path.write_text("one one.wav\ntwo two.wav\n")
    return path


def test_the_script_takes_a_wav_scp_and_cuts_streams(wav_scp: Path, tmp_path: Path) -> None:
    answer = script("--audio_file", str(wav_scp), "--streaming", "--chunk-ms", "100",
                    "--output-dir", str(tmp_path / "out"))  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    data = json.loads((tmp_path / "out" / "online_input.json").read_text())["data"]
    assert [[step["WAV_LENS"] for step in stream] for stream in data] == [
        [[1600]], [[1600], [800]],
    ]  # fmt: skip
    expected = audio.load(tmp_path / "one.wav", 16000)
    np.testing.assert_array_equal(samples_of(data[0][0]), expected)


def test_audio_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    answer = script("--audio_file", str(tmp_path / "no.wav"))
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: ")
    assert "Traceback" not in answer.stderr
