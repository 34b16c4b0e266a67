"""`auricle serve` with a real tritonserver and models in a real S3-compatible storage, moto's."""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from auricle.client import Client
from auricle.errors import ServerError
from auricle.server import free_ports
from tests.live.conftest import StartServer

pytestmark = pytest.mark.triton

AURICLE = str(Path(sys.executable).with_name("auricle"))


@pytest.fixture(scope="module")
def storage(demo_repository: Path) -> Iterator[str]:
    """s3://http://HOST:PORT/BUCKET of the demo models; credentials are in the environment."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        server.start()
        _, port = server.get_host_and_port()
        client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
        client.create_bucket(Bucket="speech")
        for path in demo_repository.rglob("*"):
            if path.is_file():
                key = f"offline/{path.relative_to(demo_repository)}"
                client.upload_file(str(path), "speech", key)
        client.put_object(Bucket="speech", Key="text/README.md", Body=b"no model")
        yield f"s3://http://127.0.0.1:{port}/speech"
        server.stop()


def test_models_of_a_bucket_transcribe_as_those_of_a_folder(
    storage: str, start_server: StartServer, demo_repository: Path, test_wavs: Path
) -> None:
    wav = sorted(test_wavs.glob("*.wav"))[0]
    texts = []
    for repository in (demo_repository, f"{storage}/offline"):
        server = start_server(repository)
        assert server.models == ("demo", "demo-bls", "demo-bls__encoder", "demo-ctc")
        for model in ("demo", "demo-bls"):
            with Client(server.grpc_address, model=model) as client:
                texts.append(client.transcribe(wav).text)
    assert texts[0]
    assert len(set(texts)) == 1


def test_what_is_not_checked_is_said(storage: str, tmp_path: Path) -> None:
    ports = free_ports()
    command = [AURICLE, "serve", "--repo", f"{storage}/offline", "--log-file", tmp_path / "log"]
    command += ["--http-port", str(ports.http), "--grpc-port", str(ports.grpc)]
    command += ["--metrics-port", str(ports.metrics)]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(3)]
        finally:
            process.terminate()
    assert lines[0] == f"not checked before the start: {storage}/offline\n"
    assert re.match(r"ready in \d+\.\d s: demo, ", lines[2])


def test_a_wrong_bucket_is_told(storage: str, start_server: StartServer) -> None:
    with pytest.raises(ServerError, match="probably: there is no such bucket, or the storage"):
        start_server(f"{storage}-and-more/offline")


def test_credentials_that_are_refused_are_told(storage: str, start_server: StartServer) -> None:
    host = storage.removeprefix("s3://").removesuffix("/speech")

    def answer_anyway(calls: str) -> None:
        url = f"{host}/moto-api/reset-auth"
        request = urllib.request.Request(url, calls.encode(), {"Content-Type": "text/plain"})
        urllib.request.urlopen(request).close()

    answer_anyway("0")
    try:
        with pytest.raises(ServerError, match="the storage refuses AWS_ACCESS_KEY_ID"):
            start_server(f"{storage}/offline")
    finally:
        answer_anyway("1000000")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("nothing", r"probably: nothing lies there"), ("text", r"there is no model in .*/text")],
)
def test_a_path_without_models_is_told(
    storage: str, start_server: StartServer, path: str, sentence: str
) -> None:
    with pytest.raises(ServerError, match=sentence):
        start_server(f"{storage}/{path}")


def test_credentials_are_in_no_command_line(storage: str, start_server: StartServer) -> None:
    server = start_server(f"{storage}/offline")
    command = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    assert os.environ["AWS_SECRET_ACCESS_KEY"].encode() not in command
