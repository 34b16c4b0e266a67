import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auricle.errors import RepositoryError
from auricle.serve.spelling import BYTE_CHARACTERS, SPELLINGS, parse_symbols
from auricle.spec import TokenKind


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
        ("at_bpe", [], ""),
        ("at_bpe", ["le@@", "ft"], "left"),
        ("at_bpe", ["go", "le@@", "f@@", "t", "now"], "go left now"),
        ("at_bpe", ["你", "好"], "你好"),
        ("at_bpe", ["打", "开", "ra@@", "dio", "吧"], "打开 radio 吧"),
        ("at_bpe", ["play", "音", "乐"], "play 音乐"),
        ("at_bpe", ["打", "开", "2", "号", "灯"], "打开2号灯"),
        ("at_bpe", ["1", "2", "degrees"], "12 degrees"),
        ("at_bpe", ["go", "le@@"], "go le"),
        ("at_bpe", ["le@@", "好"], "le 好"),
        ("at_bpe", ["le@@", "2"], "le2"),
    ],
)
def test_symbols_spell_the_text(kind: TokenKind, symbols: list[str], text: str) -> None:
    assert SPELLINGS[kind].join(symbols) == text


def byte_symbols(text: str) -> list[str]:
    """As sentencepiece sees text that icefall's byte_encode has turned into letters."""
    letters = "".join(BYTE_CHARACTERS[byte] for byte in text.encode())
    return list(("▁" + letters).replace(" ", "▁"))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\u2581"), max_size=20))
@example("<space>")
def test_byte_bpe_spells_every_text(text: str) -> None:
    text = " ".join("".join(c for c in text if not ("぀" <= c <= "﫿")).split())
    assert SPELLINGS["byte_bpe"].join(byte_symbols(text)) == text


def test_byte_bpe_drops_the_spaces_between_ideographs() -> None:
    assert SPELLINGS["byte_bpe"].join(byte_symbols("你 好 hello 世 界")) == "你好 hello 世界"


def test_byte_bpe_drops_bytes_that_form_no_character() -> None:
    symbols = [*byte_symbols("go"), BYTE_CHARACTERS[0xE4]]
    assert SPELLINGS["byte_bpe"].join(symbols) == "go"


def test_symbols_are_read_in_the_order_of_their_ids() -> None:
    assert parse_symbols("b 1\n<blk> 0\n  2\n") == ["<blk>", "b", " "]


@pytest.mark.parametrize("text", ["<blk> 0\nx\n", "<blk> 0\nb 2\n", "a b\n"])
def test_a_broken_table_is_refused(text: str) -> None:
    with pytest.raises(RepositoryError, match=r"tokens\.txt"):
        parse_symbols(text)
