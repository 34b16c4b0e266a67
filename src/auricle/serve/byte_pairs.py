"""Text to the tokens of GPT-2's byte-level BPE, as Whisper's decoder takes what was said before.

A token's id is its rank, as in openai/tiktoken: of all neighbours, those are merged first that make
the token with the lowest id.
"""

import heapq
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from auricle.errors import InvalidRequestError
from auricle.serve.quoting import quote
from auricle.serve.spelling import GPT2_BYTES

SPECIAL = re.compile(r"(<\|[^|<>]+\|>)")
# https://github.com/openai/gpt-2/blob/master/src/encoder.py: pieces are never merged with others.
# Letters are L here, numbers N, other spaces W, all else P, for re knows no Unicode categories.
CONTRACTION = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
PIECE = re.compile(r" ?L+| ?N+| ?P+|[ W]+(?![LNP])|[ W]+")
LETTERS = {byte: letter for letter, byte in GPT2_BYTES.items()}


class BytePairEncoder:
    """Encodes by a vocabulary's symbols, of which the first ones are text."""

    def __init__(self, symbols: Sequence[str], num_text: int) -> None:
        self._ranks = {symbol: rank for rank, symbol in enumerate(symbols[:num_text])}
        self._specials = {symbol: rank for rank, symbol in enumerate(symbols) if rank >= num_text}

    def encode(self, text: str) -> list[int]:
        """Ids of ordinary text, in which no special token is known."""
        return [each for piece in split(text) for each in self._encode_piece(piece)]

    def encode_special(self, text: str) -> list[int]:
        """The same where `<|en|>` is a token of its own; InvalidRequestError for unknown ones."""
        ids: list[int] = []
        for part in SPECIAL.split(text):
            if not SPECIAL.fullmatch(part):
                ids += self.encode(part)
            elif part in self._specials:
                ids.append(self._specials[part])
            else:
                raise InvalidRequestError(f"{quote(part)} is no token of this model")
        return ids

    def _encode_piece(self, piece: str) -> list[int]:
        letters = [LETTERS[byte] for byte in piece.encode("utf-8", errors="ignore")]
        return [self._ranks[part] for part in merge(letters, self._ranks)]


def split(text: str) -> Iterator[str]:
    """GPT-2's pieces: words and numbers with the space before them, and what is between."""
    shape = "".join(map(_kind, text))
    place = 0
    while place < len(text):
        match = CONTRACTION.match(text, place) or PIECE.match(shape, place)
        assert match, "every character is of some kind"
        yield text[place : match.end()]
        place = match.end()


def _kind(character: str) -> str:
    if character.isspace():
        return " " if character == " " else "W"
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "P"


def merge(letters: Sequence[str], ranks: Mapping[str, int]) -> list[str]:
    """What letters are merged to; neighbours are looked at once a merge, however many there are."""
    parts = list(letters)
    after = list(range(1, len(parts) + 1))
    before = list(range(-1, len(parts) - 1))
    waiting: list[tuple[int, int, str]] = []

    def look_at(left: int) -> None:
        if 0 <= left < len(parts) and parts[left] and after[left] < len(parts):
            merged = parts[left] + parts[after[left]]
            if merged in ranks:
                heapq.heappush(waiting, (ranks[merged], left, merged))

    for left in range(len(parts) - 1):
        look_at(left)
    while waiting:
        _, left, merged = heapq.heappop(waiting)
        right = after[left]
        if not parts[left] or right == len(parts) or parts[left] + parts[right] != merged:
            continue  # one of the two was merged with another one
        parts[left], parts[right] = merged, ""
        after[left] = after[right]
        if after[right] < len(parts):
            before[after[right]] = left
        look_at(before[left])
        look_at(left)
    return [part for part in parts if part]
