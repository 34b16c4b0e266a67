"""Phrases to the token ids that a model would write for them, for each kind of token."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from auricle.errors import InvalidRequestError
from auricle.serve.byte_pairs import BytePairEncoder, merge
from auricle.serve.hotwords import HotwordTokens
from auricle.serve.quoting import quote
from auricle.serve.spelling import (
    BYTE_CHARACTERS,
    DELIMITER,
    GPT2_BYTES,
    IDEOGRAPH,
    WORD_START,
    is_ideograph,
)
from auricle.spec import Hotwords, TokenKind

Split = Callable[[str], Sequence[str]]  # a text to sentencepiece's pieces

MAX_CHARACTERS = 200  # of a phrase: more than anyone says in one breath
SPECIAL = re.compile(r"<.+>|\[[A-Z]+\]|#\d+")  # tags, bytes and places: no text spells them
RUN = re.compile(rf"(?:{IDEOGRAPH.pattern})+|(?:(?!{IDEOGRAPH.pattern})\S)+")
SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which JSON can hold and UTF-8 cannot
SPACES = ("<space>", " ")  # between the words of a vocabulary of characters
GPT2_LETTERS = {byte: letter for letter, byte in GPT2_BYTES.items()}


class PhraseTokens:
    """Phrases as a vocabulary spells them."""

    def __init__(
        self,
        symbols: Sequence[str],
        kind: TokenKind,
        specials: Collection[int] = (),
        split: Split | None = None,
    ) -> None:
        """specials: ids that no text may spell, blank's and <unk>'s.

        split: the model's own sentencepiece; without it, a word is merged as the order of the ids
            says, or where it says nothing, is the fewest pieces, the longest one first.
        """
        ids = {symbol: token_id for token_id, symbol in enumerate(symbols)}
        texts = {
            symbol: token_id
            for symbol, token_id in ids.items()
            if token_id not in specials and (symbol in SPACES or not SPECIAL.fullmatch(symbol))
        }
        byte_names = (name for byte in range(256) if (name := f"<0x{byte:02X}>") in ids)
        self._bytes = {name: ids[name] for name in byte_names}
        self._byte_ids = frozenset(self._bytes.values())
        self._letters = frozenset("".join(texts.keys() - set(SPACES)))
        self._letters_of = {"byte_bpe": _bytes_of_bpe, "gpt2_bpe": _bytes_of_gpt2}.get(kind, str)
        self._spell = _choose(kind, symbols, Vocabulary(texts, self._bytes, split))

    def encode(self, phrase: str) -> tuple[int, ...]:
        """As it is written, or in upper, or in lower case: the first without bytes, else the first.

        InvalidRequestError, with the characters that no token has, if none of them can be spelled.
        """
        if len(phrase) > MAX_CHARACTERS:
            raise InvalidRequestError(
                f"hotword {quote(phrase)} has {len(phrase)} characters, but a phrase may have "
                f"{MAX_CHARACTERS} at most"
            )
        if not phrase.strip():
            raise InvalidRequestError(f"hotword {quote(phrase)} has no tokens")
        missing = "".join(each for each in dict.fromkeys(phrase) if not self._is_known(each))
        if missing:
            raise InvalidRequestError(
                f"hotword {quote(phrase)} has characters that no token of this model has: "
                f"{quote(missing)}"
            )
        spelled = filter(None, map(self._spell, (phrase, phrase.upper(), phrase.lower())))
        first = None
        for ids in spelled:
            if self._byte_ids.isdisjoint(ids):
                return tuple(ids)
            first = first or ids
        if first is None:
            raise InvalidRequestError(
                f"hotword {quote(phrase)} cannot be put together from this model's tokens"
            )
        return tuple(first)

    def _is_known(self, character: str) -> bool:
        """Whether some token has it, in some case."""
        if character.isspace() or SURROGATE.match(character):
            return character.isspace()
        return any(
            self._letters.issuperset(self._letters_of(case))
            or self._bytes.keys() >= set(_byte_names(case))
            for case in (character, character.upper(), character.lower())
        )


class Vocabulary:
    """Texts to pieces: by the model's sentencepiece, by its merges, or by the fewest."""

    def __init__(
        self, ids: Mapping[str, int], byte_ids: Mapping[str, int], split: Split | None = None
    ) -> None:
        """ids: of the symbols that are text.  byte_ids: sentencepiece's byte fallback, <0xE4>."""
        self._ids, self._byte_ids = ids, byte_ids
        self._longest = max(map(len, ids), default=0)
        self._split = split
        self._by_rule = self._merged if _are_merges(ids) else self._fewest

    def look_up(self, symbols: Iterable[str]) -> list[int] | None:
        """None if one of them is no token."""
        found = [self._ids.get(symbol, self._byte_ids.get(symbol)) for symbol in symbols]
        ids = [each for each in found if each is not None]
        return ids if len(ids) == len(found) else None

    def spell(self, words: Iterable[Sequence[str]]) -> list[int] | None:
        """One word behind the other, each by the first of its spellings that is possible."""
        ids: list[int] = []
        for spellings in words:
            found = next(filter(None, map(self._pieces, spellings)), None)
            if not found:
                return None
            ids += found
        return ids

    def _pieces(self, spelling: str) -> list[int] | None:
        if self._split is None:
            return self.look_up(self._by_rule(spelling))
        pieces = list(self._split(spelling.removeprefix(WORD_START)))
        if pieces and not spelling.startswith(WORD_START):  # it goes on, so it has no word's mark
            pieces[0] = pieces[0].removeprefix(WORD_START)
        return self.look_up(piece for piece in pieces if piece)

    def _merged(self, text: str) -> list[str]:
        pieces = merge(text, self._ids)
        return [part for piece in pieces for part in self._bytes_unless_known(piece)]

    def _bytes_unless_known(self, piece: str) -> list[str]:
        return [piece] if piece in self._ids else _byte_names(piece)

    def _fewest(self, text: str) -> list[str]:
        """The fewest pieces, the longest one first; bytes where a character has no piece."""
        best: list[list[str]] = [[] for _ in range(len(text) + 1)]
        for start in reversed(range(len(text))):
            best[start] = [*_byte_names(text[start]), *best[start + 1]]
            costs = len(best[start]) + len(text)  # any piece is better
            for end in range(min(len(text), start + self._longest), start, -1):
                piece, rest = text[start:end], best[end]
                if piece in self._ids and len(rest) + 1 < costs:
                    best[start], costs = [piece, *rest], len(rest) + 1
        return best[0]


class _MarkedSpelling:
    """Ideographs, whole words, and pieces with `@@`."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._tokens = HotwordTokens(symbols, None, Hotwords(MAX_CHARACTERS, last_id=0))

    def __call__(self, text: str) -> list[int] | None:
        try:
            return list(self._tokens.encode(text))
        except InvalidRequestError:
            return None


class _BytePairSpelling:
    """GPT-2's pieces; a phrase is said behind others."""

    def __init__(self, symbols: Sequence[str]) -> None:
        num_text = next(
            (place for place, symbol in enumerate(symbols) if SPECIAL.fullmatch(symbol)),
            len(symbols),
        )
        self._encoder = BytePairEncoder(symbols, num_text)

    def __call__(self, text: str) -> list[int] | None:
        try:
            return self._encoder.encode(" " + " ".join(text.split()))
        except KeyError:  # a byte that is no token
            return None


def _choose(
    kind: TokenKind, symbols: Sequence[str], vocabulary: Vocabulary
) -> Callable[[str], list[int] | None]:
    if kind == "at_bpe":
        return _MarkedSpelling(symbols)
    if kind == "gpt2_bpe":
        return _BytePairSpelling(symbols)
    if kind == "byte_bpe":
        return lambda text: vocabulary.spell(_byte_words(text))
    if kind == "bpe":
        return lambda text: vocabulary.spell(_words(text))
    gap = DELIMITER if kind == "delimited" else next(filter(symbols.__contains__, SPACES), "")
    return lambda text: vocabulary.look_up(_characters(text, gap))


def _words(text: str) -> Iterator[Sequence[str]]:
    """Words with their mark; ideographs without one, as they follow others, if it is possible.

    What stands behind an ideograph without a space begins a word for those who split the two first.
    """
    for match in RUN.finditer(text):
        marked = WORD_START + match[0]
        if is_ideograph(match[0][0]):
            yield match[0], marked
        elif match.start() and is_ideograph(text[match.start() - 1]):
            yield marked, match[0]
        else:
            yield (marked,)


def _byte_words(text: str) -> Iterator[Sequence[str]]:
    """Words and single ideographs, as icefall splits them before it writes bytes as letters."""
    for match in RUN.finditer(text):
        parts = match[0] if is_ideograph(match[0][0]) else [match[0]]
        for part in parts:
            yield (WORD_START + _bytes_of_bpe(part),)


def _characters(text: str, gap: str) -> list[str]:
    """One by one, with the gap between words that are not of ideographs."""
    symbols: list[str] = []
    for word in text.split():
        if gap and symbols and not (is_ideograph(symbols[-1][0]) or is_ideograph(word[0])):
            symbols.append(gap)
        symbols += word
    return symbols


def _are_merges(ids: Mapping[str, int]) -> bool:
    """Whether ids are the order of merges: sentencepiece's BPE has single letters behind them."""
    letters = [token_id for symbol, token_id in ids.items() if len(symbol) == 1]
    merged = [token_id for symbol, token_id in ids.items() if len(symbol) > 1]
    return bool(letters and merged) and max(merged) < min(letters)


def _byte_names(text: str) -> list[str]:
    """Sentencepiece's names of bytes."""
    return [f"<0x{byte:02X}>" for byte in text.encode()]


def _bytes_of_bpe(text: str) -> str:
    return "".join(BYTE_CHARACTERS[byte] for byte in text.encode())


def _bytes_of_gpt2(text: str) -> str:
    return "".join(GPT2_LETTERS[byte] for byte in text.encode())
