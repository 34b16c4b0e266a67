"""Digits in a transcript; the grammars themselves are held to theirs in test_itn.py."""

import importlib.util

import pytest

from auricle.serve import written
from auricle.serve.itn import Itn as Rewrite
from auricle.serve.tokens import Alternative, Part, Token, Transcript, Word
from auricle.serve.written import write
from auricle.spec import Itn

needs_wetext = pytest.mark.skipif(
    importlib.util.find_spec("wetext") is None,
    reason="wetext is not installed: pip install 'auricle[itn]'",
)
TOKENS = [Token("▁twenty", 0.1, 0.9), Token("▁five", 0.2, 0.8)]
WORDS = [Word("twenty", 0.1, 0.2, 0.9), Word("five", 0.2, 0.3, 0.8)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The languages that were asked for, of a rewriting that knows one number."""
    languages: list[str] = []

    def create(language: str) -> Rewrite:
        languages.append(language)
        return lambda text: text.replace("twenty-five", "25").replace("twenty five", "25")

    monkeypatch.setattr(written, "create_itn", create)
    return languages


def said(text: str = "twenty five", language: str | None = None) -> Transcript:
    return Transcript(text, TOKENS, WORDS, language)


def test_off_leaves_all_as_it_was_said(asked: list[str]) -> None:
    transcript = said(language="en")
    assert write(transcript, "off") is transcript
    assert asked == []


@pytest.mark.parametrize(
    ("told", "itn", "expected"),
    [("en", "on", "en"), ("zh", "on", "zh"), (None, "ja", "ja"), ("zh", "en", "zh")],
)
def test_the_language_is_the_one_told_else_the_one_asked(
    asked: list[str], told: str | None, itn: Itn, expected: str
) -> None:
    assert write(said(language=told), itn).text == "25"
    assert asked == [expected]


@pytest.mark.parametrize(("told", "itn"), [(None, "on"), ("ko", "on"), ("ko", "en")])
def test_a_language_without_a_grammar_stays_as_it_was_said(
    asked: list[str], told: str | None, itn: Itn
) -> None:
    transcript = said(language=told)
    assert write(transcript, itn) is transcript
    assert asked == []


@pytest.mark.usefixtures("asked")
def test_tokens_and_words_stay_what_was_said() -> None:
    found = write(said(), "en")
    assert (found.tokens, found.words) == (TOKENS, WORDS)


@pytest.mark.usefixtures("asked")
def test_every_part_is_written() -> None:
    parts = (Part(0.0, 1.0, said()), Part(1.0, 2.0, said("and twenty five")))
    whole = Transcript("twenty five and twenty five", TOKENS, WORDS, parts=parts)
    found = write(whole, "en")
    assert found.text == "25 and 25"
    assert [part.transcript.text for part in found.parts or ()] == ["25", "and 25"]
    assert [(part.start, part.end) for part in found.parts or ()] == [(0.0, 1.0), (1.0, 2.0)]


@pytest.mark.usefixtures("asked")
def test_no_parts_and_no_nbest_stay_none() -> None:
    found = write(said(), "en")
    assert (found.parts, found.nbest) == (None, None)


@pytest.mark.usefixtures("asked")
def test_nbest_are_written_and_stay_distinct() -> None:
    nbest = (
        Alternative("twenty five", -1.0),
        Alternative("twenty-five", -2.0),
        Alternative("plenty five", -3.0),
    )
    found = write(Transcript("twenty five", TOKENS, WORDS, nbest=nbest), "en")
    assert found.nbest == (Alternative("25", -1.0), Alternative("plenty five", -3.0))


@needs_wetext
@pytest.mark.parametrize(
    ("text", "itn", "expected"),
    [("twenty five dollars", "en", "$25"), ("百分之六十", "zh", "60%"), ("五千円", "ja", "5000円")],
)
def test_the_grammars_write_it(text: str, itn: Itn, expected: str) -> None:
    assert write(said(text), itn).text == expected
