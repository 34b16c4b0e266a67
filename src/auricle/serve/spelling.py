"""Symbols to text and words, for each kind of token.

Takes the text of a tokens.txt (`<symbol> <id>` a line); knows no files, no models.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from auricle.errors import RepositoryError
from auricle.spec import TokenKind

WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"  # sentencepiece's mark of a word's first piece
DELIMITER = "|"  # of words, as Wav2Vec2CTCTokenizer has it
CONTINUES = "@@"  # subword-nmt's mark of every piece of a word but its last
# The printable character that stands for each byte in icefall's byte-level BPE
# (icefall/byte_utils.py): ASCII is itself, the other bytes are letters that NFKC leaves alone.
BYTE_CHARACTERS = "".join(
    chr(code)
    for start, end in ((256, 287), (32, 126), (288, 305), (308, 318), (321, 328), (330, 382),
                       (384, 422))
    for code in range(start, end + 1)
)  # fmt: skip
# The byte of each letter in GPT-2's vocabulary: what Latin-1 prints is itself, the others have, in
# order, the letters from U+0100 on (https://github.com/openai/gpt-2/blob/master/src/encoder.py).
PRINTED = frozenset((*range(33, 127), *range(161, 173), *range(174, 256)))
GPT2_BYTES = {chr(byte): byte for byte in PRINTED} | {
    chr(256 + place): byte
    for place, byte in enumerate(each for each in range(256) if each not in PRINTED)
}
GPT2_SPACE = "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"
SAID = frozenset("#%&*/@\\§")  # punctuation to Unicode, words to those who speak
IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # kana, CJK: no spaces
# Byte-level BPE models of Chinese are trained with a space around every ideograph.
SPACE_OF_IDEOGRAPHS = re.compile(f"(?<={IDEOGRAPH.pattern}) (?={IDEOGRAPH.pattern})")


class Spelling(Protocol):
    def join(self, symbols: Sequence[str]) -> str:
        """The text that symbols spell."""
        ...

    def starts_word(self, previous: str, symbol: str) -> bool: ...


class Pieces:
    """Sentencepiece's pieces, with its byte fallback, or characters."""

    def join(self, symbols: Sequence[str]) -> str:
        return _decode_byte_symbols(_with_spaces(symbols)).strip()

    def starts_word(self, previous: str, symbol: str) -> bool:
        if is_punctuation(symbol):
            return False
        is_marked = symbol.startswith((WORD_START, " ", "<space>"))
        return is_marked or is_ideograph(symbol[0]) or _stands_alone(previous[-1])


class BytePieces:
    """Sentencepiece's pieces of icefall's letters for bytes."""

    def join(self, symbols: Sequence[str]) -> str:
        text = _decode_byte_characters(_with_spaces(symbols))
        return SPACE_OF_IDEOGRAPHS.sub("", text).strip()

    def starts_word(self, _previous: str, symbol: str) -> bool:
        return symbol.startswith((WORD_START, " ", "<space>"))


class MarkedPieces:
    """Whole words, ideographs, and pieces with `@@` behind all but the last of a word.

    Spaces stand where a Latin word begins or ends, as in sherpa-onnx's texts; digits stand
    together, and beside ideographs without a space, as in FunASR's.
    """

    def join(self, symbols: Sequence[str]) -> str:
        if not symbols:
            return ""
        text = symbols[0]
        for previous, symbol in pairwise(symbols):
            text = text.removesuffix(CONTINUES)
            if self.starts_word(previous, symbol) and not _stand_together(previous, symbol):
                text += " "
            text += symbol
        return text.removesuffix(CONTINUES)

    def starts_word(self, previous: str, symbol: str) -> bool:
        if previous.endswith(CONTINUES):
            return is_ideograph(symbol[0])
        return not (previous.isdecimal() and symbol.isdecimal())


class BytePairs:
    """GPT-2's byte-level BPE: letters for bytes, a space in front of a word's first piece."""

    def join(self, symbols: Sequence[str]) -> str:
        """Bytes that form no character are dropped."""
        codes = (GPT2_BYTES.get(letter) for symbol in symbols for letter in symbol)
        spelled = bytes(code for code in codes if code is not None)
        return spelled.decode("utf-8", errors="ignore").strip()

    def starts_word(self, _previous: str, symbol: str) -> bool:
        return symbol.startswith(GPT2_SPACE)


class DelimitedLetters:
    """Letters of transformers' CTC models, with a symbol of its own between words."""

    def join(self, symbols: Sequence[str]) -> str:
        return " ".join("".join(symbols).replace(DELIMITER, " ").split())

    def starts_word(self, previous: str, symbol: str) -> bool:
        """The delimiter is a word of its own, which spells nothing."""
        stands_alone = is_ideograph(symbol[0]) or _stands_alone(previous[-1])
        return DELIMITER in (previous, symbol) or (stands_alone and not is_punctuation(symbol))


SPELLINGS: dict[TokenKind, Spelling] = {
    "bpe": Pieces(),
    "char": Pieces(),
    "byte_bpe": BytePieces(),
    "at_bpe": MarkedPieces(),
    "gpt2_bpe": BytePairs(),
    "delimited": DelimitedLetters(),
}


def parse_symbols(text: str) -> list[str]:
    """The symbols of a tokens.txt in the order of their ids, which must be 0, 1, 2, ...

    A line is `<symbol> <id>`; the symbol of a space may be the space itself.
    """
    by_id = {}
    for number, line in enumerate(text.rstrip("\n").split("\n"), start=1):
        symbol, _, token_id = line.rstrip().rpartition(" ")  # not splitlines: U+2028 is a symbol
        if not token_id.isdigit():
            raise RepositoryError(f"tokens.txt, line {number}: {line!r} is not '<symbol> <id>'")
        by_id[int(token_id)] = symbol or " "
    if sorted(by_id) != list(range(len(by_id))):
        raise RepositoryError(f"tokens.txt: its {len(by_id)} ids are not 0 to {len(by_id) - 1}")
    return [by_id[token_id] for token_id in range(len(by_id))]


def is_ideograph(character: str) -> bool:
    return IDEOGRAPH.fullmatch(character) is not None


def space_between(previous: str, text: str) -> str:
    """What stands between the texts of two utterances: nothing between ideographs."""
    return "" if is_ideograph(previous[-1]) and is_ideograph(text[0]) else " "


def is_punctuation(symbol: str) -> bool:
    """Whether nobody says any of it; a piece that begins a word is told by its mark, and is none.

    Of byte-level BPE, whose letters are bytes, only ASCII's is known.
    """
    plain = unicodedata.normalize("NFKC", symbol)
    return bool(plain) and all(
        unicodedata.category(each).startswith("P") and each not in SAID for each in plain
    )


def _stands_alone(character: str) -> bool:
    """An ideograph, or the wide punctuation of those, behind which no spaces stand."""
    is_wide = unicodedata.east_asian_width(character) in "WF"
    return is_ideograph(character) or (is_wide and is_punctuation(character))


def _stand_together(previous: str, symbol: str) -> bool:
    return all(is_ideograph(each) or each.isdecimal() for each in (previous[-1], symbol[0]))


def _with_spaces(symbols: Sequence[str]) -> str:
    spelled = (" " if symbol == "<space>" else symbol for symbol in symbols)
    return "".join(spelled).replace(WORD_START, " ")


def _decode_byte_characters(text: str) -> str:
    """Byte-level BPE's letters back to UTF-8; bytes that form no character are dropped."""
    codes = (BYTE_CHARACTERS.find(character) for character in text)
    return bytes(code for code in codes if code >= 0).decode("utf-8", errors="ignore")


def _decode_byte_symbols(text: str) -> str:
    """Sentencepiece's byte fallback: runs of <0xE4> back to the characters they encode."""
    if "<0x" not in text:
        return text
    out = bytearray()
    position = 0
    while position < len(text):
        if text[position : position + 3] == "<0x" and text[position + 5 : position + 6] == ">":
            out.append(int(text[position + 3 : position + 5], 16))
            position += 6
        else:
            out += text[position].encode()
            position += 1
    return out.decode("utf-8", errors="ignore")
