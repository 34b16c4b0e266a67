"""How a request says whether it wants digits."""

import dataclasses

import pytest

from auricle.errors import InvalidRequestError, RepositoryError
from auricle.serve.backend import itn_parameters
from auricle.serve.backend.itn_parameters import ItnMenu
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.values import Value
from auricle.serve.itn import Itn as Rewrite
from auricle.spec import Itn, Prompt
from tests.conftest import TRANSDUCER_SPEC

TELLING = dataclasses.replace(
    TRANSDUCER_SPEC, prompt=Prompt({"auto": 0}, {"woitn": 15}, lead_frames=4)
)


@pytest.fixture
def wetext(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """In its place, the languages that were asked for."""
    asked: list[str] = []

    def create(language: str) -> Rewrite:
        asked.append(language)
        return str

    monkeypatch.setattr(itn_parameters, "create_itn", create)
    return asked


@pytest.fixture
def no_wetext(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(language: str) -> Rewrite:
        raise InvalidRequestError(f"{language} needs the package wetext")

    monkeypatch.setattr(itn_parameters, "create_itn", create)


@pytest.mark.usefixtures("no_wetext")
@pytest.mark.parametrize("asked", [None, "false", False, 0, "no", "off"])
def test_who_wants_none_needs_no_package(asked: Value) -> None:
    assert ItnMenu(TRANSDUCER_SPEC, "off").read(asked) == "off"


@pytest.mark.parametrize("asked", [True, 1, "1", "true", "on", "yes"])
def test_yes_is_in_the_language_that_the_model_tells(asked: Value, wetext: list[str]) -> None:
    assert ItnMenu(TELLING, "off").read(asked) == "on"
    assert wetext == ["en"]


@pytest.mark.parametrize("language", ["en", "ja", "zh"])
def test_a_language_is_one_whatever_the_model_tells(language: str, wetext: list[str]) -> None:
    for spec in (TELLING, TRANSDUCER_SPEC):
        assert ItnMenu(spec, "off").read(language) == language
    assert wetext == [language] * 2


@pytest.mark.usefixtures("wetext")
@pytest.mark.parametrize(("default", "asked", "expected"), [
    ("zh", None, "zh"), ("zh", True, "zh"), ("zh", False, "off"), ("zh", "en", "en"),
    ("on", None, "on"), ("on", False, "off"), ("on", "ja", "ja"), ("off", None, "off"),
])  # fmt: skip
def test_a_request_stands_over_config_pbtxt(default: Itn, asked: Value, expected: Itn) -> None:
    assert ItnMenu(TELLING, default).read(asked) == expected


@pytest.mark.usefixtures("wetext")
def test_yes_to_a_model_that_tells_no_language_is_refused() -> None:
    with pytest.raises(UnfitRequestError) as raised:
        ItnMenu(TRANSDUCER_SPEC, "off").read(True)
    assert raised.value.reason == "itn"
    assert str(raised.value) == (
        "asr_itn: this model does not tell which language it hears; name it instead: en, ja, zh"
    )


@pytest.mark.parametrize("asked", ["fr", "", "maybe", 2, 0.5])
def test_what_is_neither_yes_nor_a_language_is_refused(asked: Value) -> None:
    with pytest.raises(UnfitRequestError) as raised:
        ItnMenu(TELLING, "off").read(asked)
    assert raised.value.reason == "itn"
    assert str(raised.value) == (
        f"asr_itn is {asked!r}; give true, false, or the language: en, ja, zh"
    )


@pytest.mark.usefixtures("no_wetext")
def test_a_server_without_the_package_says_so() -> None:
    with pytest.raises(UnfitRequestError, match="asr_itn: en needs the package wetext"):
        ItnMenu(TELLING, "off").read(True)


@pytest.mark.usefixtures("no_wetext")
def test_a_model_that_wants_digits_does_not_load_without_the_package() -> None:
    with pytest.raises(RepositoryError, match="parameter itn is 'zh', but zh needs the package"):
        ItnMenu(TRANSDUCER_SPEC, "zh")


@pytest.mark.usefixtures("wetext")
def test_a_model_that_tells_no_language_does_not_load_with_on() -> None:
    with pytest.raises(RepositoryError, match=r"parameter itn is 'on', but .* name it instead"):
        ItnMenu(TRANSDUCER_SPEC, "on")
