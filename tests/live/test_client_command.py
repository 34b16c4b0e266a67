"""auricle transcribe and the example client against the demo model on a real tritonserver."""

import subprocess
import sys
from pathlib import Path

import pytest

from auricle.client import Client
from auricle.client.manifests import read_text
from auricle.server import Server

pytestmark = pytest.mark.triton

ROOT = Path(__file__).parents[2]


def transcribe(server: Server, output: Path, *arguments: object) -> dict[str, str]:
    command = [Path(sys.executable).with_name("auricle"), "transcribe", "--model-name", "demo"]
    command += ["--url", server.grpc_address, "--output", output, *arguments]
    subprocess.run([*map(str, command)], check=True)
    return read_text(output)


@pytest.fixture(scope="module")
def transcripts(
    demo_server: Server, test_wavs: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Those of the 40 utterances, one request each."""
    output = tmp_path_factory.mktemp("one_by_one") / "text"
    return transcribe(demo_server, output, "--wavscp", test_wavs / "wav.scp")


def test_every_utterance_has_a_transcript_in_its_place(
    transcripts: dict[str, str], test_wavs: Path
) -> None:
    assert list(transcripts) == list(read_text(test_wavs / "wav.scp"))
    assert all(transcripts.values())


def test_requests_of_several_utterances_change_no_transcript(
    transcripts: dict[str, str], demo_server: Server, test_wavs: Path, tmp_path: Path
) -> None:
    together = transcribe(
        demo_server, tmp_path / "text", "--wavscp", test_wavs / "wav.scp", "--batch-size", 7
    )
    assert together == transcripts


def test_http_gives_what_grpc_gives(
    transcripts: dict[str, str], demo_server: Server, test_wavs: Path, tmp_path: Path
) -> None:
    arguments = ("--protocol", "http", "--url", demo_server.http_address, test_wavs)
    assert transcribe(demo_server, tmp_path / "text", *arguments) == transcripts


def test_the_example_client_says_the_same(
    transcripts: dict[str, str], demo_server: Server, test_wavs: Path
) -> None:
    paths = sorted(test_wavs.glob("*.wav"))[:3]
    example = str(ROOT / "client" / "transcribe.py")
    command = [sys.executable, example, "--url", demo_server.grpc_address, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert lines == [f"{path} {transcripts[path.stem]}" for path in paths]


def test_words_lie_in_order_within_the_audio(demo_server: Server, test_wavs: Path) -> None:
    with Client(demo_server.grpc_address, model="demo") as client:
        done = client.transcribe(sorted(test_wavs.glob("*.wav"))[0], details=True)
    assert done.result is not None
    assert " ".join(word.text for word in done.result.words) == done.text
    starts = [word.start for word in done.result.words if word.start is not None]
    assert len(starts) == len(done.result.words)
    assert starts == sorted(starts)
    assert 0 <= starts[0] <= starts[-1] <= done.audio_seconds
