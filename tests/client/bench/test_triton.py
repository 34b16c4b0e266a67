import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from auricle.client import AsyncClient
from auricle.client.bench import triton
from auricle.errors import AuricleError, BusyError, UnreachableError
from tests.client import scripted_server

WAVEFORM = np.linspace(-1, 1, 700, dtype=np.float32)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts a scripted server; gives its address."""
    with ExitStack() as stack:

        def start(*steps: str) -> str:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            command = [sys.executable, scripted_server.__file__, str(port), *steps]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stdout
            process.stdout.readline()
            return f"127.0.0.1:{port}"

        yield start


async def ask(url: str) -> str:
    async with triton.connect(url, "demo") as target:
        target.prepare([WAVEFORM], 16000)
        return await target(0)


def test_the_request_is_the_one_that_the_client_sends(serve: Callable[..., str]) -> None:
    url = serve()

    async def ask_by_client() -> str:
        async with AsyncClient(url, model="demo") as client:
            return (await client.transcribe(WAVEFORM)).text

    assert asyncio.run(ask(url)) == asyncio.run(ask_by_client())


def test_parameters_go_with_every_request(serve: Callable[..., str]) -> None:
    async def ask_with(url: str) -> str:
        async with triton.connect(url, "demo", parameters={"asr_decoding": "beam"}) as target:
            target.prepare([WAVEFORM], 16000)
            return await target(0)

    assert '"parameters": {"asr_decoding": "beam"}' in asyncio.run(ask_with(serve()))


@pytest.mark.parametrize(
    ("step", "error"), [("busy", BusyError), ("invalid", AuricleError), ("lost", AuricleError)]
)
def test_a_failure_is_ours(serve: Callable[..., str], step: str, error: type[AuricleError]) -> None:
    with pytest.raises(error):
        asyncio.run(ask(serve(step)))


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="no server answers"):
        asyncio.run(ask("127.0.0.1:1"))
