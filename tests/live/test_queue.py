"""A full queue says so at once; what has expired or was cancelled never reaches the encoder."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve
from tritonclient.utils import InferenceServerException

from auricle.cli import build
from auricle.client import AsyncClient
from auricle.server import Server
from tests.live.asking import Asker, audio
from tests.live.conftest import StartServer

pytestmark = pytest.mark.triton

LONG = np.random.default_rng(0).normal(0, 0.1, 50 * 16000).astype(np.float32)
QUEUE_SIZE = 4


@pytest.fixture(scope="module")
def narrow_server(
    assets: Path, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """One instance, one utterance at a time, and a queue of four."""
    repository = tmp_path_factory.mktemp("narrow")
    build.run(
        "icefall-transducer", name="demo", repo=repository, checkpoint=assets / "icefall-transducer"
    )
    path = repository / "demo" / "config.pbtxt"
    text = re.sub(r"max_queue_size: \d+", f"max_queue_size: {QUEUE_SIZE}", path.read_text())
    text = re.sub(r"count: \d+", "count: 1", text)
    path.write_text(re.sub(r"preferred_batch_size: \d+", "preferred_batch_size: 1", text))
    return start_server(repository)


@pytest.fixture
def asker(narrow_server: Server) -> Iterator[Asker]:
    with kserve.InferenceServerClient(narrow_server.grpc_address) as client:
        yield Asker(client, "demo")


def count_executed(asker: Asker, at_least: int = 0) -> int:
    """Requests that reached the model so far; Triton counts one a moment after its answer."""
    deadline = time.monotonic() + 5
    while True:
        (statistics,) = asker.client.get_inference_statistics("demo").model_stats
        if statistics.inference_count >= at_least or time.monotonic() > deadline:
            return int(statistics.inference_count)


def test_a_full_queue_answers_unavailable_at_once(asker: Asker) -> None:
    sent = [asker.send(audio([LONG])) for _ in range(12)]
    errors = [answer.exception(60) for answer in sent]
    refused = [error for error in errors if isinstance(error, InferenceServerException)]
    assert 0 < len(refused) <= 12 - QUEUE_SIZE
    assert {error.status() for error in refused} == {"StatusCode.UNAVAILABLE"}


def test_a_client_retries_until_there_is_room(narrow_server: Server) -> None:
    async def transcribe_all() -> list[int]:
        async with AsyncClient(narrow_server.grpc_address, model="demo") as client:
            answers = await asyncio.gather(*(client.transcribe(LONG) for _ in range(12)))
            return [answer.attempts for answer in answers]

    attempts = asyncio.run(transcribe_all())
    assert len(attempts) == 12
    assert max(attempts) > 1


def test_an_expired_request_never_reaches_the_encoder(asker: Asker) -> None:
    before = count_executed(asker)
    first = asker.send(audio([LONG]))
    late = asker.send(audio([LONG]), timeout_us=1000)
    first.result(60)
    error = late.exception(60)
    assert isinstance(error, InferenceServerException)
    assert count_executed(asker, before + 1) == before + 1


def test_a_cancelled_request_never_reaches_the_encoder(asker: Asker) -> None:
    before = count_executed(asker)
    first = asker.send(audio([LONG]))
    asker.send(audio([LONG])).cancel()
    first.result(60)
    asker.send(audio([LONG])).result(60)
    assert count_executed(asker, before + 2) == before + 2
