import pytest
from typer.testing import CliRunner, Result

from auricle.cli import create_app
from auricle.errors import UnreachableError


def models(*arguments: str) -> Result:
    return CliRunner().invoke(create_app(), ["models", *arguments])


@pytest.mark.parametrize("arguments", [["load"], ["unload"], ["list", "demo"]])
def test_only_a_change_has_the_name_of_a_model(arguments: list[str]) -> None:
    result = models(*arguments)
    assert result.exit_code == 2
    assert "load and unload want the name of a model" in result.stderr


def test_what_is_no_address_is_a_usage_error() -> None:
    assert models("--url", "https://localhost").exit_code == 2


def test_no_server_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURICLE_HTTP_URL", "http://127.0.0.1:1")
    result = models()
    assert isinstance(result.exception, UnreachableError)
    assert "no server answers at http://127.0.0.1:1" in str(result.exception)
