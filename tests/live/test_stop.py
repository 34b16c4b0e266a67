"""A stop with requests under way, on a real tritonserver."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from auricle.client import AsyncClient, Client, Patience
from auricle.client.transport import ProtocolName
from auricle.errors import AuricleError, BusyError, UnreachableError
from auricle.server import Options, Ports, Server, free_ports, serve
from auricle.server.http import Endpoint
from tests.live import models
from tests.live.constant_load import constant_load
from tests.live.processes import wait_until

pytestmark = pytest.mark.triton

NUM_REQUESTS = 40
WAVEFORM = np.zeros(7, np.float32)
NO_PATIENCE = Patience(attempts=1)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One instance that takes 0.2 s for up to four requests; all others wait in its queue."""
    source = models.SLOW.replace("time.sleep(1)", "time.sleep(0.2)")
    config = models.SLOW_CONFIG.replace("max_queue_size: 1", "max_queue_size: 64")
    models.write_python_model(tmp_path / "models", "slow", source, config)
    return tmp_path / "models"


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> ProtocolName:
    name: ProtocolName = request.param
    return name


def options(repository: Path, ports: Ports, stop_timeout_s: float) -> Options:
    log_file = repository.parent / "log"
    return Options([repository], ports, log_file=log_file, stop_timeout_s=stop_timeout_s)


def url_of(ports: Ports, protocol: ProtocolName) -> str:
    return f"127.0.0.1:{ports.grpc if protocol == 'grpc' else ports.http}"


def waiting(server: Server) -> int:
    """The requests in the model's queue."""
    metrics = Endpoint("127.0.0.1", server.options.ports.metrics).get("/metrics").body
    found = re.search(
        r'^nv_inference_pending_request_count{model="slow".*} (\d+)', str(metrics), re.M
    )
    return int(found[1]) if found else 0


async def transcribe_all(url: str, protocol: ProtocolName) -> list[str]:
    """Answers to many requests at once."""
    async with AsyncClient(url, protocol=protocol, model="slow", patience=NO_PATIENCE) as client:
        calls = (client.transcribe(WAVEFORM) for _ in range(NUM_REQUESTS))
        return [done.text for done in await asyncio.gather(*calls)]


def refusal(client: Client) -> AuricleError | None:
    try:
        client.transcribe(WAVEFORM)
    except AuricleError as error:
        return error
    return None


def test_every_accepted_request_is_answered_and_a_later_one_may_be_tried_again(
    repository: Path, protocol: ProtocolName
) -> None:
    ports = free_ports()
    url = url_of(ports, protocol)
    with (
        serve(options(repository, ports, stop_timeout_s=10)) as server,
        Client(url, protocol=protocol, model="slow", patience=NO_PATIENCE) as late,
        ThreadPoolExecutor(1) as thread,
    ):
        answers = thread.submit(asyncio.run, transcribe_all(url, protocol))
        assert wait_until(lambda: waiting(server) >= NUM_REQUESTS - 12, 10)
        server.process.terminate()
        assert wait_until(lambda: "Signal (15)" in (repository.parent / "log").read_text(), 5)
        refused = refusal(late)
        assert not answers.done()
        assert answers.result(timeout=20) == [""] * NUM_REQUESTS
    assert isinstance(refused, BusyError | UnreachableError), repr(refused)


def test_a_client_under_load_does_not_notice_a_restart(
    repository: Path, protocol: ProtocolName
) -> None:
    ports = free_ports()
    chosen = options(repository, ports, stop_timeout_s=2)
    with (
        ExitStack() as first,
        ExitStack() as second,
        Client(url_of(ports, protocol), protocol=protocol, model="slow") as client,
    ):
        first.enter_context(serve(chosen))
        with constant_load(lambda: client.transcribe(WAVEFORM).text, num_threads=4) as load:
            assert wait_until(lambda: len(load.texts) > 4, 10)
            first.close()
            second.enter_context(serve(chosen))
            before = len(load.texts)
            assert wait_until(lambda: len(load.texts) > before + 4, 20)
        assert load.errors == []
