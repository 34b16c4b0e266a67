"""What a real tritonserver refuses to those without its access key, over both protocols."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from auricle import access
from auricle.client import Client, Credentials
from auricle.client.bench import triton as bench
from auricle.client.bench.run import Counters
from auricle.errors import AccessError
from auricle.server import Options, Server, free_ports, serve
from auricle.server.http import Endpoint

pytestmark = pytest.mark.triton

AURICLE = str(Path(sys.executable).with_name("auricle"))
Kserve = Any
OPEN: dict[str, Callable[[Kserve], object]] = {
    "live": lambda kserve: kserve.is_server_live(),
    "ready": lambda kserve: kserve.is_server_ready(),
    "model ready": lambda kserve: kserve.is_model_ready("deaf"),
    "metadata": lambda kserve: kserve.get_server_metadata(),
    "model metadata": lambda kserve: kserve.get_model_metadata("deaf"),
}
CHANGES: dict[str, Callable[[Kserve, dict[str, str]], object]] = {
    "index": lambda kserve, headers: kserve.get_model_repository_index(headers=headers),
    "load": lambda kserve, headers: kserve.load_model("deaf", headers=headers),
    "unload": lambda kserve, headers: kserve.unload_model("deaf", headers=headers),
    "shared memory": lambda kserve, headers: kserve.get_system_shared_memory_status(
        headers=headers
    ),
    "trace": lambda kserve, headers: kserve.get_trace_settings(headers=headers),
    "logging": lambda kserve, headers: kserve.get_log_settings(headers=headers),
}
READS: dict[str, Callable[[Kserve, dict[str, str]], object]] = {
    "statistics": lambda kserve, headers: kserve.get_inference_statistics(headers=headers),
    "configuration": lambda kserve, headers: kserve.get_model_config("deaf", headers=headers),
}
HEADERS = {"grpc": access.GRPC_METADATA, "http": access.HTTP_HEADER}


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def connect(server: Server, protocol: str) -> Kserve:
    if protocol == "grpc":
        return tritonclient.grpc.InferenceServerClient(server.grpc_address)
    return tritonclient.http.InferenceServerClient(server.http_address)


def is_restricted(call: Callable[[], object]) -> bool:
    try:
        call()
    except InferenceServerException as error:
        return "restricted, expecting header" in error.message()
    return False


@pytest.fixture(scope="module")
def reserved_server(
    small_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """With the reads guarded, too."""
    log_file = tmp_path_factory.mktemp("reserved") / "triton.log"
    options = Options([small_repository], free_ports(), log_file=log_file, restricts_reads=True)
    with serve(options) as server:
        yield server


@pytest.mark.parametrize("name", OPEN)
def test_a_client_needs_no_key(small_server: Server, protocol: str, name: str) -> None:
    assert OPEN[name](connect(small_server, protocol))


def test_inference_needs_no_key(small_server: Server, protocol: str) -> None:
    url = small_server.grpc_address if protocol == "grpc" else small_server.http_address
    with Client(url, protocol=protocol, model="deaf") as client:  # type: ignore[arg-type]
        assert client.transcribe(np.zeros(3, np.float32)).text == ""


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_a_server_wants_the_key(
    small_server: Server, protocol: str, name: str
) -> None:
    kserve, header = connect(small_server, protocol), HEADERS[protocol]
    ask = CHANGES[name]
    assert is_restricted(lambda: ask(kserve, {}))
    assert is_restricted(lambda: ask(kserve, {header: "another"}))
    assert not is_restricted(lambda: ask(kserve, {header: access.find_key()}))


def test_no_key_changes_the_models_without_model_control(
    small_server: Server, protocol: str
) -> None:
    kserve = connect(small_server, protocol)
    with pytest.raises(InferenceServerException, match="load / unload is not allowed"):
        kserve.unload_model("deaf", headers={HEADERS[protocol]: access.find_key()})


@pytest.mark.parametrize("name", READS)
def test_reads_want_the_key_where_asked_for(
    small_server: Server, reserved_server: Server, protocol: str, name: str
) -> None:
    ask = READS[name]
    assert ask(connect(small_server, protocol), {})
    reserved = connect(reserved_server, protocol)
    assert is_restricted(lambda: ask(reserved, {}))
    assert ask(reserved, {HEADERS[protocol]: access.find_key()})


def test_the_key_is_in_no_log(reserved_server: Server) -> None:
    assert reserved_server.options.log_file is not None
    assert access.find_key() not in reserved_server.options.log_file.read_text()


def test_no_cloud_endpoint_is_served(small_server: Server) -> None:
    endpoint = Endpoint("127.0.0.1", small_server.options.ports.http)
    assert not endpoint.get("/ping").is_ok  # SageMaker's and Vertex' own


def run(server: Server, *arguments: str, key: str | None) -> subprocess.CompletedProcess[str]:
    """A command of a user with another cache, and perhaps the key."""
    assert server.options.log_file is not None
    environment = os.environ | {"XDG_CACHE_HOME": str(server.options.log_file.parent / "cache")}
    environment |= {"AURICLE_KEY": key} if key else {}
    return subprocess.run(
        [AURICLE, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_health_works_where_all_is_guarded(reserved_server: Server) -> None:
    command = ("health", "--url", reserved_server.http_address)
    assert run(reserved_server, *command, key=access.find_key()).returncode == 0
    without = run(reserved_server, *command, key=None)
    assert without.returncode == 1
    address = re.escape(f"http://{reserved_server.http_address}")
    assert re.fullmatch(
        rf"auricle: the server at {address} wants its access key .* set AURICLE_KEY .*\n",
        without.stderr,
    )


def test_a_client_without_the_key_is_told_to_name_the_model(
    small_server: Server, test_wavs: Path
) -> None:
    wav = str(next(test_wavs.glob("*.wav")))
    command = ("transcribe", wav, "--url", small_server.grpc_address)
    answer = run(small_server, *command, key=None)
    assert answer.returncode == 1
    assert re.search(r"wants its access key .*; or name the model\n", answer.stderr)
    assert run(small_server, *command, "--model-name", "deaf", key=None).returncode == 0


def test_a_wrong_key_is_told(small_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURICLE_KEY", "another")
    with (
        Client(small_server.grpc_address) as client,
        pytest.raises(AccessError, match="did not take the access key"),
    ):
        client.models()


def test_the_bench_reads_guarded_statistics_with_the_key_alone(reserved_server: Server) -> None:
    async def count(credentials: Credentials) -> dict[str, Counters]:
        async with bench.connect(reserved_server.grpc_address, "deaf", credentials) as target:
            return await target.counters()

    assert "deaf" in asyncio.run(count(Credentials()))
    with pytest.raises(AccessError, match="did not take the access key"):
        asyncio.run(count(Credentials(key="another")))
