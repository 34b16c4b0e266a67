"""Token ids to text, words and times, for BPE, byte-level BPE and characters.

Takes the text of a tokens.txt (`<symbol> <id>` a line) and hypotheses; knows no files, no models.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from auricle.errors import RepositoryError
from auricle.serve.decode.hypothesis import Hypothesis

WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"  # sentencepiece's mark of a word's first piece
# The printable character that stands for each byte in icefall's byte-level BPE
# (icefall/byte_utils.py): ASCII is itself, the other bytes are letters that NFKC leaves alone.
BYTE_CHARACTERS = "".join(
    chr(code)
    for start, end in ((256, 287), (32, 126), (288, 305), (308, 318), (321, 328), (330, 382),
                       (384, 422))
    for code in range(start, end + 1)
)  # fmt: skip
IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # kana, CJK: no spaces
# Byte-level BPE models of Chinese are trained with a space around every ideograph.
SPACE_OF_IDEOGRAPHS = re.compile(f"(?<={IDEOGRAPH.pattern}) (?={IDEOGRAPH.pattern})")


@dataclass(frozen=True)
class Token:
    """start: seconds from the start of the audio; confidence: its probability at its frame."""

    text: str
    start: float
    confidence: float


@dataclass(frozen=True)
class Word:
    """end: the end of the frame that emitted its last token; confidence: that of its weakest."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    text: str
    tokens: list[Token]
    words: list[Word]


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


class TokenTable:
    """Symbols by id, with the rules of one kind of token: "bpe", "byte_bpe" or "char"."""

    def __init__(self, symbols: Sequence[str], kind: str, seconds_per_frame: float) -> None:
        self.symbols = symbols
        self.kind = kind
        self.seconds_per_frame = seconds_per_frame

    def transcribe(self, hypothesis: Hypothesis) -> Transcript:
        symbols = [self.symbols[token_id] for token_id in hypothesis.ids]
        starts = [frame * self.seconds_per_frame for frame in hypothesis.frames]
        confidences = [math.exp(log_prob) for log_prob in hypothesis.log_probs]
        tokens = [
            Token(symbol, start, confidence)
            for symbol, start, confidence in zip(symbols, starts, confidences, strict=True)
        ]
        return Transcript(self.join(symbols), tokens, self._words(tokens))

    def join(self, symbols: Sequence[str]) -> str:
        """The text that symbols spell."""
        text = "".join(symbols).replace(WORD_START, " ").replace("<space>", " ")
        if self.kind == "byte_bpe":
            return SPACE_OF_IDEOGRAPHS.sub("", _decode_byte_characters(text)).strip()
        return _decode_byte_symbols(text).strip()

    def _words(self, tokens: Sequence[Token]) -> list[Word]:
        groups: list[list[Token]] = []
        for token in tokens:
            if not groups or self._starts_word(groups[-1][-1].text, token.text):
                groups.append([])
            groups[-1].append(token)
        words = (self._word(group) for group in groups)
        return [word for word in words if word.text]

    def _starts_word(self, previous: str, symbol: str) -> bool:
        if symbol.startswith((WORD_START, " ", "<space>")):
            return True
        if self.kind == "byte_bpe":
            return False
        return is_ideograph(symbol[0]) or is_ideograph(previous[-1])

    def _word(self, tokens: Sequence[Token]) -> Word:
        text = self.join([token.text for token in tokens])
        end = tokens[-1].start + self.seconds_per_frame
        return Word(text, tokens[0].start, end, min(token.confidence for token in tokens))


def is_ideograph(character: str) -> bool:
    return IDEOGRAPH.fullmatch(character) is not None


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
