from dataclasses import astuple
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from auricle.cli import create_app
from auricle.cli.serve import ModelControl, _loads
from auricle.errors import RepositoryError, ServerError
from auricle.server import free_ports


def serve(*arguments: str) -> Result:
    return CliRunner().invoke(create_app(), ["serve", *arguments])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--load", "demo"], "--load chooses models under --model-control explicit alone"),
        (["--tls-cert", "cert.pem"], "TLS needs both --tls-cert and --tls-key"),
        (["--tls-ca", "ca.pem"], "TLS needs both --tls-cert and --tls-key"),
        (["--model-control", "poll"], "'poll' is not one of 'none', 'explicit'"),
    ],
)
def test_a_wrong_option_says_what_is_right(arguments: list[str], sentence: str) -> None:
    result = serve(*arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.replace("│", "").split())


@pytest.mark.parametrize(
    ("named", "loads"), [([], ["*"]), (["none"], []), (["demo", "other"], ["demo", "other"])]
)
def test_explicit_control_starts_with_all_models_or_those_named(
    named: list[str], loads: list[str]
) -> None:
    assert _loads(ModelControl.explicit, named) == loads


def test_without_control_all_models_are_there_for_good() -> None:
    assert _loads(ModelControl.none, []) is None


def test_an_empty_repository_is_told(tmp_path: Path) -> None:
    result = serve("--repo", str(tmp_path), "--log-file", str(tmp_path / "log"))
    assert isinstance(result.exception, RepositoryError)
    assert f"{tmp_path} is empty" in str(result.exception)


def test_files_for_tls_are_looked_at_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no PEM")
    files = [f"--tls-{name}={tmp_path / 'cert.pem'}" for name in ("cert", "key")]
    options = ["--repo", str(tmp_path), "--model-control", "explicit"]
    numbers = zip(("http", "grpc", "metrics"), astuple(free_ports()), strict=True)
    ports = [f"--{name}-port={number}" for name, number in numbers]
    result = serve(*options, *ports, *files, "--log-file", str(tmp_path / "log"))
    assert isinstance(result.exception, ServerError)
    assert "are no certificate and its private key" in str(result.exception)
    assert not (tmp_path / "log").exists()
