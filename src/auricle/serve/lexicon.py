"""What the words of a language model are in the tokens of a network.

Either each token is one of its words (a model of characters, or of the same pieces), or the tokens
spell its words, a space between two. Of Chinese and Japanese, which have no spaces, only the former
makes sense: a model of words would hear a whole run of ideographs as one word.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.language_model import (
    SILENT,
    LanguageModel,
    Part,
    Spellings,
    TokenUnits,
    Units,
    WordUnits,
    key_of,
)
from auricle.serve.decode.ngrams import Ints
from auricle.serve.spelling import (
    BYTE_CHARACTERS,
    CONTINUES,
    DELIMITER,
    GPT2_BYTES,
    GPT2_SPACE,
    SPELLINGS,
    WORD_START,
    is_ideograph,
    is_punctuation,
)
from auricle.serve.tags import is_tag
from auricle.serve.tokens import SPECIALS
from auricle.spec import TokenKind

Unit = Literal["tokens", "words"]
Fold = Callable[[str], str]

MARKERS = frozenset(("<s>", "</s>", "<unk>", "<UNK>"))  # words that nobody says
SPACES = (WORD_START, "<space>", DELIMITER, " ")  # as vocabularies of characters write one
MARKS: dict[TokenKind, str] = {
    "bpe": WORD_START,
    "byte_bpe": WORD_START,
    "char": WORD_START,
    "at_bpe": CONTINUES,
    "gpt2_bpe": GPT2_SPACE,
    "delimited": DELIMITER,
}
BYTE_SYMBOL = re.compile(rb"<0x([0-9A-Fa-f]{2})>")  # sentencepiece's byte fallback
WHITE_SPACE = re.compile(rb"[ \t\n\r\f\v]+")


def relate(
    model: LanguageModel, symbols: Sequence[str], kind: TokenKind, unit: Unit | None = None
) -> Units:
    """The units that a language model scores; None: tokens if most of its words are tokens.

    symbols: of the network's tokens, by their ids.  Where case alone parts the two, it is folded.
    """
    words = _token_words(model, symbols, kind)
    if unit is None:
        unit = "tokens" if _is_of_tokens(model, words, kind) else "words"
    if unit == "tokens":
        return TokenUnits(model, words)
    return _word_units(model, symbols, kind)


def _token_words(model: LanguageModel, symbols: Sequence[str], kind: TokenKind) -> Ints:
    """The word that each token is, int64 [V]: itself, or in another case; else <unk>."""
    ids = {word: place for place, word in enumerate(model.words)}
    has_marks = any(MARKS[kind] in word for word in model.words)
    space = next((ids[each] for each in SPACES if each in ids), SILENT)

    def word_of(symbol: str) -> int:
        if _is_unheard(symbol):
            return SILENT
        plain = symbol if has_marks else symbol.replace(MARKS[kind], "") or symbol
        if plain in SPACES:
            return ids.get(symbol, space)
        cases = (plain, plain.lower(), plain.upper())
        return next((ids[each] for each in cases if each in ids), model.unk_id)

    return np.array([word_of(symbol) for symbol in symbols], np.int64)


def _is_of_tokens(model: LanguageModel, words: Ints, kind: TokenKind) -> bool:
    """Whether most of its words are tokens, and as such: with their marks, or of one character."""
    said = [word for word in model.words if word not in MARKERS]
    num_known = len(set(words.tolist()) - {SILENT, model.unk_id})
    are_characters = sum(len(word) == 1 for word in said) * 2 > len(said)
    have_marks = any(MARKS[kind] in word for word in said)
    return num_known * 2 > len(said) and (are_characters or have_marks)


def _is_unheard(symbol: str) -> bool:
    return symbol in SPECIALS or is_tag(symbol)


def _word_units(model: LanguageModel, symbols: Sequence[str], kind: TokenKind) -> WordUnits:
    known = {word: place for place, word in enumerate(model.words) if word not in MARKERS}
    spelled = [b"" if _is_unheard(each) else _spell(each, kind) for each in symbols]
    texts = [each.decode("utf-8", errors="surrogateescape") for each in spelled]
    fold_words, fold_texts = _folds(known, texts)
    letters = set().union(*known)
    unsaid = {each for each in set().union(*texts) - letters if is_punctuation(each)}
    silence = str.maketrans("", "", "".join(unsaid))
    texts = [fold_texts(each).translate(silence) for each in texts]
    heard = [each.encode("utf-8", errors="surrogateescape") for each in texts]
    lexicon = {fold_words(word): place for word, place in known.items()} | {
        word: place for word, place in known.items() if fold_words(word) == word
    }
    kinds, parted = _neighbours(symbols, kind)
    return WordUnits(
        model,
        [(word.encode(), place) for word, place in lexicon.items()],
        Spellings(_parts(heard), kinds, parted),
    )


def _folds(words: Iterable[str], texts: Iterable[str]) -> tuple[Fold, Fold]:
    """What brings the words of a model and the texts of tokens into the same case.

    Tokens of one case have the words folded to it; those of both follow the words.
    """
    case_of_texts, case_of_words = _only_case(texts), _only_case(words)
    if case_of_texts is not None:
        return case_of_texts, str
    return str, case_of_words or str


def _only_case(texts: Iterable[str]) -> Fold | None:
    """The one case that all letters are of; str where there are no cases."""
    characters = set().union(*texts)
    has_lower = any(each != each.upper() for each in characters)
    has_upper = any(each != each.lower() for each in characters)
    if has_lower and has_upper:
        return None
    return str.lower if has_lower else str.upper if has_upper else str


def _spell(symbol: str, kind: TokenKind) -> bytes:
    """What a token adds to the text, in UTF-8 that may begin or end within a character."""
    if kind == "gpt2_bpe":
        return bytes(GPT2_BYTES[letter] for letter in symbol if letter in GPT2_BYTES)
    if kind == "at_bpe":
        return symbol.removesuffix(CONTINUES).encode()
    spelled = " " if symbol == "<space>" else symbol.replace(MARKS[kind], " ")
    if kind == "byte_bpe":
        codes = (BYTE_CHARACTERS.find(letter) for letter in spelled)
        return bytes(code for code in codes if code >= 0)
    return BYTE_SYMBOL.sub(lambda match: bytes([int(match[1], 16)]), spelled.encode())


def _parts(texts: Sequence[bytes]) -> list[Part]:
    """The texts of tokens, parted at their spaces; key 0 and power 1 where one has no more."""
    rows = [_part(text) for text in texts]
    num_parts = max(map(len, rows), default=0)
    padded = [row + [(False, 0, 1)] * (num_parts - len(row)) for row in rows]
    columns = [tuple(zip(*column, strict=True)) for column in zip(*padded, strict=True)]
    return [
        Part(np.array(begins), np.array(keys, np.uint64), np.array(powers, np.uint64))
        for begins, keys, powers in columns
    ]


def _part(text: bytes) -> list[tuple[bool, int, int]]:
    parts = [(place > 0, *key_of(part)) for place, part in enumerate(WHITE_SPACE.split(text))]
    return parts[1:] if len(parts) > 1 and parts[0] == (False, 0, 1) else parts


def _neighbours(symbols: Sequence[str], kind: TokenKind) -> tuple[Ints, NDArray[np.bool_]]:
    """Spellings.kinds, Spellings.parted: by what the text of two tokens in a row has between."""
    traits = [_traits(each) if kind == "at_bpe" else () for each in symbols]
    examples = dict(zip(traits, symbols, strict=True))
    ids = {each: place for place, each in enumerate(examples, start=1)}
    kinds = [
        SILENT if _is_unheard(symbol) else ids[trait]
        for symbol, trait in zip(symbols, traits, strict=True)
    ]
    parted = np.zeros((len(ids) + 2, len(ids) + 2), np.bool_)
    if kind == "at_bpe":
        join = SPELLINGS[kind].join
        parted[1:-1, 1:-1] = [
            [" " in join([before, symbol]) for symbol in examples.values()]
            for before in examples.values()
        ]
    return np.array(kinds, np.int64), parted


def _traits(symbol: str) -> tuple[bool, ...]:
    """All that spelling.MarkedPieces asks about two neighbours."""
    ends = [
        test for each in (symbol[0], symbol[-1]) for test in (is_ideograph(each), each.isdecimal())
    ]
    return (symbol.endswith(CONTINUES), symbol.isdecimal(), *ends)
