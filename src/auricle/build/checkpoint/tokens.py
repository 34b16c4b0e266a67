"""tokens.txt: "symbol id" lines, and what kind of tokens they are."""

import codecs
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from auricle.errors import CheckpointError
from auricle.spec import TokenKind

WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"  # sentencepiece's mark
CONTINUED = "@@"  # subword-nmt's mark of a piece that another one follows
BLANKS = ("<blk>", "<blank>", "<eps>")
UNKNOWNS = ("<unk>", "<UNK>")
SPECIAL = re.compile(r"<.+>|#\d+|\[.+\]")  # <unk>, <0x0A>, a lexicon's #0, [UNK]
LINE = re.compile(r"(?P<symbol>.*?)[ \t]+(?P<id>\d+)\s*")


@dataclass(frozen=True)
class TokenTable:
    """symbols: in the order of their ids, 0, 1, 2, ..."""

    symbols: tuple[str, ...]
    kind: TokenKind
    blank_id: int
    unk_id: int | None

    def cut(self, vocab_size: int, origin: str) -> "TokenTable":
        """Only the tokens that the network can emit; lexicons append symbols such as #0.

        CheckpointError if the network can emit more, or if what it cannot emit is text.
        """
        beyond = [symbol for symbol in self.symbols[vocab_size:] if not SPECIAL.fullmatch(symbol)]
        if len(self.symbols) < vocab_size or beyond:
            raise CheckpointError(
                f"{origin} names {len(self.symbols)} tokens, but the network has {vocab_size} "
                f"outputs; is it the {origin} of this checkpoint?"
            )
        return TokenTable(self.symbols[:vocab_size], self.kind, self.blank_id, self.unk_id)

    def find(self, symbol: str, default: int) -> int:
        """The id of a symbol."""
        return self.symbols.index(symbol) if symbol in self.symbols else default

    def describe(self) -> str:
        """One line of a report."""
        unknown = "none" if self.unk_id is None else self.unk_id
        return f"tokens    {len(self.symbols)} {self.kind}, blank {self.blank_id}, unk {unknown}"

    def __str__(self) -> str:
        """The text of a tokens.txt."""
        return "".join(f"{symbol} {number}\n" for number, symbol in enumerate(self.symbols))


def read_tokens(path: Path) -> TokenTable:
    """CheckpointError if a line is broken, or the ids are not 0, 1, 2, ..."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    by_id = {}
    for number, line in enumerate(text.split("\n"), start=1):
        match = LINE.fullmatch(line)
        if match:
            by_id[int(match["id"])] = match["symbol"] or " "  # the symbol may be the space itself
        elif line.strip():
            raise CheckpointError(f"{path}, line {number}: {line!r} is not '<symbol> <id>'")
    missing = next(number for number in count() if number not in by_id)
    if missing == 0 or missing != len(by_id):
        raise CheckpointError(f"{path} has {len(by_id)} tokens, but none with id {missing}")
    return make_table(tuple(by_id[number] for number in range(len(by_id))))


def make_table(symbols: tuple[str, ...]) -> TokenTable:
    """What the symbols themselves show: their kind, and which of them is no text."""
    return TokenTable(
        symbols, kind_of(symbols), _find(symbols, BLANKS) or 0, _find(symbols, UNKNOWNS)
    )


def _find(symbols: tuple[str, ...], names: tuple[str, ...]) -> int | None:
    return next((symbols.index(name) for name in names if name in symbols), None)


def kind_of(symbols: Iterable[str]) -> TokenKind:
    ordinary = [symbol for symbol in symbols if not SPECIAL.fullmatch(symbol)]
    if any(symbol.endswith(CONTINUED) for symbol in ordinary):
        return "at_bpe"
    if _spell_bytes(ordinary):
        return "byte_bpe"
    return "bpe" if any(WORD_START in symbol for symbol in ordinary) else "char"


def _spell_bytes(symbols: Iterable[str]) -> bool:
    """Whether the symbols are UTF-8 bytes written as letters, some of them beyond ASCII.

    Every one must be a piece of some valid text: a vocabulary of Latvian or Lithuanian, whose
    letters are among those that stand for bytes, would spell control characters.
    """
    table = _byte_letters()
    beyond_ascii = False
    for symbol in symbols:
        letters = symbol.replace(WORD_START, "")
        if not all(letter in table for letter in letters):
            return False
        spelled = bytes(table[letter] for letter in letters)
        if min(spelled, default=32) < 32 or not _is_piece_of_utf8(spelled):
            return False
        beyond_ascii = beyond_ascii or max(spelled, default=0) > 127
    return beyond_ascii


def _is_piece_of_utf8(piece: bytes) -> bool:
    """Whether the bytes can stand in the middle of a text, characters cut at both ends."""
    start = next((i for i, byte in enumerate(piece) if byte & 0xC0 != 0x80), len(piece))
    if start > 3:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(piece[start:])
    except UnicodeDecodeError:
        return False
    return True


def _byte_letters() -> dict[str, int]:
    """The letter for each byte in icefall's byte-level BPE (icefall/byte_utils.py).

    Printable ASCII stands for itself; every other byte has, in order, the next letter from U+0100
    on that NFKC leaves as it is.
    """
    letters = (chr(code) for code in count(0x100))
    stable = (letter for letter in letters if unicodedata.normalize("NFKC", letter) == letter)
    return {(chr(byte) if 32 <= byte < 127 else next(stable)): byte for byte in range(256)}
