import subprocess
from pathlib import Path

import pytest

from auricle.errors import ServerError
from auricle.server import Options, hardening
from auricle.server.options import Tls


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """A certificate that has signed itself."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return Tls(certificate, key, client_ca=certificate)


def test_what_changes_a_server_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURICLE_KEY", "secret")
    flags = hardening.needed_flags(Options([]))
    guard = "shared-memory,model-repository,trace,logging:auricle-key=secret"
    assert flags["http-restricted-api"] == flags["grpc-restricted-protocol"] == guard
    flags = hardening.needed_flags(Options([], restricts_reads=True))
    assert "logging,statistics,model-config:" in flags["grpc-restricted-protocol"]


@pytest.mark.parametrize(("loads", "mode"), [(None, "none"), ([], "explicit"), (["*"], "explicit")])
def test_models_are_fixed_unless_asked_for(loads: list[str] | None, mode: str) -> None:
    assert hardening.needed_flags(Options([], loads=loads))["model-control-mode"] == mode


def test_a_server_of_changing_models_is_ready_without_one_of_them() -> None:
    assert hardening.wished_flags(Options([]))["strict-readiness"] == "true"
    assert hardening.wished_flags(Options([], loads=["*"]))["strict-readiness"] == "false"


def test_the_size_of_a_request_is_stated() -> None:
    assert hardening.wished_flags(Options([]))["http-max-input-size"] == str(64 * 1024 * 1024)


def test_clients_are_asked_for_certificates_where_somebody_may_sign_them(tls: Tls) -> None:
    assert "grpc-use-ssl" in hardening.tls_flags(Tls(tls.certificate, tls.key))
    assert "grpc-use-ssl-mutual" in hardening.tls_flags(tls)


def test_a_pair_of_files_passes(tls: Tls) -> None:
    hardening.check_tls(tls)


@pytest.mark.parametrize("name", ["certificate", "key", "client_ca"])
def test_a_file_that_tls_cannot_use_is_told(tls: Tls, name: str) -> None:
    path = Path(getattr(tls, name))
    if name == "client_ca":
        path = path.with_name("ca.pem")
    path.write_text("no PEM")
    broken = Tls(tls.certificate, tls.key, path if name == "client_ca" else None)
    with pytest.raises(ServerError, match=str(path)):
        hardening.check_tls(broken)
    path.unlink()
    with pytest.raises(ServerError, match="No such file"):
        hardening.check_tls(broken)
