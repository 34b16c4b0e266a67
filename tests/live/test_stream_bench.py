"""auricle bench --streaming against a stateful model on a real tritonserver."""

import json
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner, Result

from auricle.cli import create_app
from auricle.server import Server
from tests.live.test_stream_client import speech, streams_left

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def server(listener_server: Server) -> Server:
    return listener_server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for level in range(1, 9):
        waveform = speech(*[level] * (level % 3 + 3), tail=800)
        soundfile.write(tmp_path / f"u{level}.wav", waveform, 16000, subtype="FLOAT")
    return tmp_path


def bench(server: Server, data: Path, *options: str) -> Result:
    arguments = ["bench", "--streaming", "--model-name", "listener", str(data), *options]
    arguments += ["--url", server.grpc_address, "--level-seconds", "1.5"]
    return CliRunner().invoke(create_app(), arguments)


def test_levels_are_measured_and_every_text_is_right(server: Server, data: Path) -> None:
    path = data / "record.json"
    result = bench(server, data, "--streams", "1,20", "--chunk-ms", "100", "--json", str(path))
    assert result.exit_code == 0, result.output
    record = json.loads(path.read_text())
    summaries = [each["summary"] for each in record["measured"]]
    assert [each["streams"] for each in summaries] == [1, 20]
    assert all(each["failed"] == 0 and each["is_sustained"] for each in summaries)
    assert summaries[1]["chunks"] > 200
    assert summaries[1]["step_ms"] > 0
    assert "20 real-time streams sustained: " in result.stderr
    assert streams_left(server) == 0


def test_another_text_than_the_expected_one_fails_the_bench(server: Server, data: Path) -> None:
    text = "".join(f"u{level} never said\n" for level in range(1, 9))
    (data / "text").write_text(text)
    result = bench(server, data, "--streams", "2", "--trans", str(data / "text"))
    assert result.exit_code == 1
    assert "not even the fewest streams were sustained" in result.stderr
