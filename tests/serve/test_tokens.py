import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.errors import RepositoryError
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.tokens import BYTE_CHARACTERS, TokenTable, Transcript, parse_symbols


def transcribe(symbols: list[str], kind: str) -> Transcript:
    hypothesis = Hypothesis(list(range(len(symbols))), list(range(0, 10 * len(symbols), 10)))
    hypothesis.log_probs.extend(-float(index) for index in range(len(symbols)))
    return TokenTable(symbols, kind, 0.04).transcribe(hypothesis)


@pytest.mark.parametrize(
    ("kind", "symbols", "text"),
    [
        ("bpe", ["▁GO", "▁LE", "FT"], "GO LEFT"),
        ("bpe", ["▁", "GO", "ING"], "GOING"),
        ("bpe", ["▁caf", "<0xC3>", "<0xA9>"], "café"),
        ("bpe", ["▁caf", "<0xC3>"], "caf"),
        ("bpe", ["你", "好", "▁GO"], "你好 GO"),
        ("char", ["你", "好"], "你好"),
        ("char", ["G", "O", "<space>", "U", "P"], "GO UP"),
        ("bpe", [], ""),
    ],
)
def test_symbols_spell_the_text(kind: str, symbols: list[str], text: str) -> None:
    assert transcribe(symbols, kind).text == text


def byte_symbols(text: str) -> list[str]:
    """As sentencepiece sees text that icefall's byte_encode has turned into letters."""
    letters = "".join(BYTE_CHARACTERS[byte] for byte in text.encode())
    return list(("▁" + letters).replace(" ", "▁"))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\u2581"), max_size=20))
def test_byte_bpe_spells_every_text(text: str) -> None:
    text = " ".join("".join(c for c in text if not ("぀" <= c <= "﫿")).split())
    assert transcribe(byte_symbols(text), "byte_bpe").text == text


def test_byte_bpe_drops_the_spaces_between_ideographs() -> None:
    assert transcribe(byte_symbols("你 好 hello 世 界"), "byte_bpe").text == "你好 hello 世界"


def test_byte_bpe_drops_bytes_that_form_no_character() -> None:
    symbols = [*byte_symbols("go"), BYTE_CHARACTERS[0xE4]]
    assert transcribe(symbols, "byte_bpe").text == "go"


def test_words_carry_times_and_their_weakest_confidence() -> None:
    first, second = transcribe(["▁LE", "FT", "▁GO"], "bpe").words
    assert (first.text, second.text) == ("LEFT", "GO")
    assert [first.start, first.end] == pytest.approx([0.0, 0.44])
    assert [second.start, second.end] == pytest.approx([0.8, 0.84])
    assert first.confidence == pytest.approx(0.3679, abs=1e-4)


def test_every_ideograph_is_a_word() -> None:
    words = transcribe(["你", "好", "▁LE", "FT"], "bpe").words
    assert [word.text for word in words] == ["你", "好", "LEFT"]


def test_symbols_are_read_in_the_order_of_their_ids() -> None:
    assert parse_symbols("b 1\n<blk> 0\n  2\n") == ["<blk>", "b", " "]


@pytest.mark.parametrize("text", ["<blk> 0\nx\n", "<blk> 0\nb 2\n", "a b\n"])
def test_a_broken_table_is_refused(text: str) -> None:
    with pytest.raises(RepositoryError, match=r"tokens\.txt"):
        parse_symbols(text)
