"""gRPC over TLS with a real tritonserver; the certificates are made here."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from auricle.client import Client, Credentials, Patience
from auricle.errors import AccessError, UnreachableError
from auricle.server import Options, Server, free_ports, serve
from auricle.server.options import Tls
from tests.live.authority import Authority

pytestmark = pytest.mark.triton

AURICLE = str(Path(sys.executable).with_name("auricle"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module", params=["server alone", "mutual"])
def server(
    request: pytest.FixtureRequest, authority: Authority, small_repository: Path
) -> Iterator[Server]:
    pair = authority.sign("server")
    client_ca = authority.certificate if request.param == "mutual" else None
    options = Options(
        [small_repository],
        free_ports(),
        log_file=authority.folder / "triton.log",
        tls=Tls(pair.certificate, pair.key, client_ca),
    )
    with serve(options) as server:
        yield server


@pytest.fixture
def credentials(authority: Authority) -> Credentials:
    ours = authority.sign("client")
    return Credentials(ca=authority.certificate, certificate=ours.certificate, private_key=ours.key)


def transcribe(server: Server, credentials: Credentials) -> str:
    patience = Patience(attempts=1)
    with Client(
        server.grpc_address, model="deaf", patience=patience, credentials=credentials
    ) as client:
        return client.transcribe(np.ones(3, np.float32)).text


def test_it_transcribes_and_lists_its_models(server: Server, credentials: Credentials) -> None:
    assert transcribe(server, credentials) == ""
    with Client(server.grpc_address, credentials=credentials) as client:
        assert client.models() == ["caller", "deaf", "graph", "picky_graph"]


def test_a_client_without_tls_gets_no_answer(server: Server) -> None:
    with pytest.raises(UnreachableError):
        transcribe(server, Credentials())


def test_a_certificate_of_another_authority_is_not_trusted(server: Server, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    with pytest.raises(UnreachableError):
        transcribe(server, Credentials(ca=other.certificate))


def test_only_a_server_that_asks_wants_our_certificate(
    server: Server, authority: Authority
) -> None:
    without = Credentials(ca=authority.certificate)
    assert server.options.tls
    if server.options.tls.client_ca is None:
        assert transcribe(server, without) == ""
    else:
        with pytest.raises(UnreachableError):
            transcribe(server, without)


def test_the_command_takes_the_files(
    server: Server, credentials: Credentials, test_wavs: Path
) -> None:
    wav = next(test_wavs.glob("*.wav"))
    command = [AURICLE, "transcribe", wav, "--url", server.grpc_address, "--model-name", "deaf"]
    command += ["--tls-ca", credentials.ca, "--tls-cert", credentials.certificate]
    command += ["--tls-key", credentials.private_key]
    answer = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, f"{wav.stem}\n"), answer.stderr


def test_files_that_are_no_pems_are_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no PEM")
    with pytest.raises(AccessError, match=r"ca\.pem cannot be used for TLS"):
        transcribe(server, Credentials(ca=tmp_path / "ca.pem"))
