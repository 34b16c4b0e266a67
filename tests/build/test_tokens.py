"""tokens.txt: read whole, told apart by its symbols, cut to what the network emits."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.build.checkpoint.tokens import TokenTable, kind_of, read_tokens
from auricle.errors import CheckpointError
from auricle.serve.spelling import BYTE_CHARACTERS, parse_symbols

SPECIAL = ["<blk>", "<sos/eos>", "<unk>"]


def write(folder: Path, text: str) -> Path:
    path = folder / "tokens.txt"
    path.write_text(text, encoding="utf-8")
    return path


def spell(text: str) -> str:
    """Text as icefall's byte-level BPE writes it."""
    return "".join(BYTE_CHARACTERS[byte] for byte in text.encode())


@pytest.mark.parametrize(
    ("symbols", "kind"),
    [
        (["▁THE", "S", "▁A", "'"], "bpe"),
        (["▁HELLO", "你", "好"], "bpe"),
        (["<0xE4>", "▁THE"], "bpe"),
        (["你", "好", "吗"], "char"),
        (["A", "B", "'", " "], "char"),
        (["▁ā", "č", "ē", "ņem", "▁šķ"], "bpe"),  # Latvian
        (["▁ą", "č", "ę", "žmo"], "bpe"),  # Lithuanian
        (["▁ĝ", "ŝ", "aĵo"], "bpe"),  # Esperanto
        (["▁ƠI", "Ư", "▁ĐƯỜNG"], "bpe"),  # Vietnamese
        (["▁ə", "Ə", "ş", "ğ"], "bpe"),  # Azerbaijani
        (["▁" + spell("你"), spell("好")[:2], spell("好")[2:], "▁" + spell("the")], "byte_bpe"),
        ([spell("é"), "▁" + spell("cafés")], "byte_bpe"),
    ],
)
def test_the_kind_is_told_by_the_symbols(symbols: list[str], kind: str) -> None:
    assert kind_of([*SPECIAL, *symbols]) == kind


@given(text=st.text(min_size=1).filter(lambda text: text.isprintable() and not text.isascii()))
def test_bytes_of_any_text_are_recognised(text: str) -> None:
    letters = [letter for letter in spell(text) if letter != " "]
    assert kind_of([*SPECIAL, *letters]) == "byte_bpe"


def test_ids_come_in_any_order_and_with_any_space(tmp_path: Path) -> None:
    table = read_tokens(write(tmp_path, "b\t1\n<blk> 0\n\n▁c  2 \n"))
    assert table.symbols == ("<blk>", "b", "▁c")


@pytest.mark.parametrize("line", ["  1", " 1"])
def test_a_symbol_can_be_the_space_itself(line: str, tmp_path: Path) -> None:
    assert read_tokens(write(tmp_path, f"<blk> 0\n{line}\n")).symbols == ("<blk>", " ")


def test_blank_and_unknown_are_found_by_name(tmp_path: Path) -> None:
    table = read_tokens(write(tmp_path, "a 0\n<unk> 1\n<blk> 2\n"))
    assert (table.blank_id, table.unk_id) == (2, 1)


def test_without_names_blank_is_zero_and_nothing_is_unknown(tmp_path: Path) -> None:
    table = read_tokens(write(tmp_path, "_ 0\na 1\n"))
    assert (table.blank_id, table.unk_id) == (0, None)


def test_what_a_lexicon_appends_is_cut(tmp_path: Path) -> None:
    table = read_tokens(write(tmp_path, "<blk> 0\na 1\n#0 2\n#1 3\n"))
    assert table.cut(2, "tokens.txt").symbols == ("<blk>", "a")


def test_too_few_tokens_are_refused(tmp_path: Path) -> None:
    table = read_tokens(write(tmp_path, "<blk> 0\na 1\n"))
    with pytest.raises(CheckpointError, match=r"units\.txt names 2 tokens, but the network has 3"):
        table.cut(3, "units.txt")


def test_text_that_the_network_cannot_say_is_no_lexicon_s(tmp_path: Path) -> None:
    """Another checkpoint's tokens would otherwise be taken, and its text be wrong."""
    table = read_tokens(write(tmp_path, "<blk> 0\na 1\nb 2\n"))
    with pytest.raises(CheckpointError, match="names 3 tokens, but the network has 2"):
        table.cut(2, "tokens.txt")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 tokens"),
        ("<blk> 0\nb 2\n", "none with id 1"),
        ("<blk> 0\na one\n", r"line 2: 'a one' is not '<symbol> <id>'"),
        ("a\nb\n", "line 1"),
    ],
)
def test_a_broken_table_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=reason):
        read_tokens(write(tmp_path, text))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.txt"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match="cannot read"):
        read_tokens(path)


def test_serving_reads_what_building_writes() -> None:
    symbols = ("<blk>", "▁a", " ", "你", "#", "0")
    assert parse_symbols(str(TokenTable(symbols, "bpe", 0, None))) == list(symbols)
