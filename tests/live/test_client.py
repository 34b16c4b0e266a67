"""The client against a real tritonserver, over both protocols."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from auricle.client import AsyncClient, Client, Patience
from auricle.client.corpus import Load, Outcome, transcribe_corpus
from auricle.client.manifests import Utterance, find_audio
from auricle.client.results import Result
from auricle.client.transport import ProtocolName
from auricle.errors import BusyError, InvalidRequestError, UnknownModelError
from auricle.server import Options, Server, free_ports, serve
from tests.client.conftest import write_wav
from tests.live import echo
from tests.live.conftest import StartServer
from tests.live.models import write_python_model

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("echo_repository")
    write_python_model(folder, "echo", echo.SOURCE, echo.CONFIG)
    return folder


@pytest.fixture(scope="module")
def server(start_server: StartServer, repository: Path) -> Server:
    return start_server(repository)


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> ProtocolName:
    name: ProtocolName = request.param
    return name


@pytest.fixture
def url(server: Server, protocol: ProtocolName) -> str:
    return server.grpc_address if protocol == "grpc" else server.http_address


@pytest.fixture
def corpus(tmp_path: Path) -> list[Utterance]:
    """Forty utterances of 100 to 139 samples, and one that is no audio."""
    for n in range(100, 140):
        write_wav(tmp_path / f"{n}.wav", n)
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    return find_audio([str(tmp_path)])


def transcribe(
    url: str, protocol: ProtocolName, corpus: list[Utterance], load: Load, patience: Patience
) -> dict[str, Outcome]:
    async def run() -> dict[str, Outcome]:
        async with AsyncClient(url, protocol=protocol, patience=patience) as client:
            return {one.id: one async for one in transcribe_corpus(client, corpus, load)}

    return asyncio.run(run())


def test_text_and_result_come_back(url: str, protocol: ProtocolName) -> None:
    with Client(url, protocol=protocol) as client:
        done = client.transcribe(np.zeros(7, np.float32), details=True)
        assert done.text == "7 samples"
        assert done.result == Result("echo", "7 samples")
        assert client.transcribe(np.zeros(7, np.float32)).result is None


def test_models_are_discovered(url: str, protocol: ProtocolName) -> None:
    with Client(url, protocol=protocol) as client:
        assert client.models() == ["echo"]
    with (
        Client(url, protocol=protocol, model="whisper") as client,
        pytest.raises(UnknownModelError, match=r"unknown model 'whisper'; .* has: echo$"),
    ):
        client.transcribe(np.zeros(7, np.float32))


def test_a_refusal_comes_in_the_servers_words(url: str, protocol: ProtocolName) -> None:
    with (
        Client(url, protocol=protocol) as client,
        pytest.raises(InvalidRequestError, match=r"WAV holds samples that are not finite"),
    ):
        client.transcribe(np.full(7, np.nan, np.float32))


def test_another_rate_than_the_models_is_named(url: str, protocol: ProtocolName) -> None:
    with (
        Client(url, protocol=protocol, sample_rate=8000) as client,
        pytest.raises(InvalidRequestError, match=r"is 8000 Hz, but this model needs 16000 Hz"),
    ):
        client.transcribe(np.zeros(7, np.float32))


@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_corpus_passes_a_queue_that_is_often_full(
    batch_size: int, url: str, protocol: ProtocolName, corpus: list[Utterance]
) -> None:
    load, patience = Load(num_tasks=16, batch_size=batch_size), Patience(attempts=40)
    outcomes = transcribe(url, protocol, corpus, load, patience)
    texts = {one.id: one.transcription.text for one in outcomes.values() if one.transcription}
    assert texts == {str(n): f"{n} samples" for n in range(100, 140)}
    assert "cannot decode" in str(outcomes["torn"].error)


def test_without_patience_a_full_queue_fails_some(server: Server, corpus: list[Utterance]) -> None:
    load = Load(num_tasks=16)
    outcomes = transcribe(server.grpc_address, "grpc", corpus, load, Patience(attempts=1))
    busy = [one for one in outcomes.values() if isinstance(one.error, BusyError)]
    assert busy
    assert len(busy) < len(corpus) - 1


def test_a_run_survives_the_death_of_its_server(
    server: Server, repository: Path, corpus: list[Utterance], tmp_path: Path
) -> None:
    ports = free_ports()
    options = Options((repository,), ports=ports, log_file=tmp_path / "triton.log")
    many = [Utterance(f"{one.id}-{n}", one.source) for n in range(5) for one in corpus]
    with ThreadPoolExecutor() as pool:
        with serve(options) as first:
            run = pool.submit(
                transcribe, first.grpc_address, "grpc", many, Load(num_tasks=2), Patience()
            )
            time.sleep(0.5)
            first.process.kill()
        assert not run.done()
        with serve(options):
            outcomes = run.result(timeout=60)
    attempts = [one.transcription.attempts for one in outcomes.values() if one.transcription]
    assert len(attempts) == 5 * 40
    assert max(attempts) > 1
