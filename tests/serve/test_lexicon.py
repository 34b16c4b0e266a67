import random
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.decode.language_model import LanguageModelScorer, TokenUnits, Units, WordUnits
from auricle.serve.lexicon import relate
from auricle.serve.spelling import BYTE_CHARACTERS, GPT2_BYTES, SPELLINGS
from auricle.spec import TokenKind
from tests.serve.decode.ngram_models import BOS, EOS, UNK, Reference, build, draw

TOLERANCE = 1e-4
LETTERS = {byte: letter for letter, byte in GPT2_BYTES.items()}
WORDS = ("a", "ab", "ba", "né", "b", "12", "né'e", "bab")


def in_bytes(texts: Sequence[str]) -> list[str]:
    """As icefall's byte-level BPE writes them; a mark stays a mark."""
    return [
        "".join("▁" if each == "▁" else "".join(BYTE_CHARACTERS[b] for b in each.encode())
                for each in text)
        for text in texts
    ]  # fmt: skip


def in_gpt2_bytes(texts: Sequence[str]) -> list[str]:
    return ["".join(LETTERS[byte] for byte in text.encode()) for text in texts]


PIECES = ["▁a", "a", "b", "▁b", "né", "▁né", "'e", "▁", "1", "▁12", "ab▁b", "n", "▁n"]
SYMBOLS: dict[TokenKind, list[str]] = {
    "bpe": ["<unk>", *PIECES, "<0xC3>", "<0xA9>"],
    "char": ["<blank>", "a", "b", "n", "é", "'", "1", "2", "<space>", " "],
    "byte_bpe": ["<blk>", *in_bytes(PIECES), *in_bytes(["é"])[0]],
    "at_bpe": ["<unk>", "中", "文", "a@@", "a", "b@@", "b", "né", "né@@", "'e", "1", "2", "12",
               "1@@"],
    "gpt2_bpe": ["<|en|>", *in_gpt2_bytes([each.replace("▁", " ") for each in PIECES]),
                 LETTERS[0xC3], LETTERS[0xA9]],
    "delimited": ["<pad>", "a", "b", "n", "é", "'", "1", "2", "|"],
}  # fmt: skip
UNHEARD = {"<unk>", "<blank>", "<blk>", "<pad>", "<|en|>"}
kinds = pytest.mark.parametrize("kind", SYMBOLS)
seeds = st.integers(0, 2**32 - 1)


def total(units: Units, tokens: Sequence[int], beta: float = 0.0) -> float:
    scorer = LanguageModelScorer(units, np.ones(1), np.array([beta]))
    row, states, score = np.zeros(1, np.int64), scorer.start(1), 0.0
    for token in tokens:
        added, states = scorer.advance(row, states, np.array([token]))
        score += added[0]
    return score + float(scorer.finish(row, states)[0])


def unigrams(*words: str) -> Reference:
    """Each its own probability."""
    said = (BOS, EOS, UNK, *words)
    return Reference({(word,): -1.0 - place / 8 for place, word in enumerate(said)}, {}, 1)


def hear(reference: Reference, symbols: Sequence[str], kind: TokenKind) -> float:
    """The score of all tokens in a row."""
    return total(relate(build(reference), symbols, kind), range(len(symbols)))


@kinds
@given(seed=seeds)
@settings(max_examples=150, deadline=None)
def test_words_score_as_the_text_that_the_tokens_spell(kind: TokenKind, seed: int) -> None:
    rng = random.Random(seed)
    reference, symbols = draw(rng, WORDS, 3), SYMBOLS[kind]
    units = relate(build(reference), symbols, kind, "words")
    tokens = rng.choices(range(len(symbols)), k=rng.randint(0, 12))
    heard = [symbols[each] for each in tokens if symbols[each] not in UNHEARD]
    words = tuple(SPELLINGS[kind].join(heard).split())
    expected = reference.text(words) + 0.5 * len(words)
    if is_whole(heard, kind):
        assert total(units, tokens, 0.5) == pytest.approx(expected, abs=TOLERANCE)


def is_whole(symbols: Sequence[str], kind: TokenKind) -> bool:
    """Whether the bytes form characters."""
    if kind == "bpe":
        return "<" not in re.sub("<0xC3><0xA9>", "", "".join(symbols))
    if kind in ("byte_bpe", "gpt2_bpe"):
        codes = {letter: byte for byte, letter in enumerate(BYTE_CHARACTERS)} | {"▁": 32}
        spelled = GPT2_BYTES if kind == "gpt2_bpe" else codes
        try:
            bytes(spelled[letter] for letter in "".join(symbols)).decode()
        except UnicodeDecodeError:
            return False
    return True


@pytest.mark.parametrize(
    ("words", "symbols", "kind"),
    [
        (("▁the", "▁a", "t"), ("<blk>", "▁the", "▁a", "t", "x"), "bpe"),
        (("a", "b", "|"), ("<pad>", "a", "b", "|"), "delimited"),
        (("a", "b", "▁"), ("<blank>", "a", "b", "<space>"), "char"),
        (("a", "b"), ("<blank>", "A", "B"), "char"),
        (("中", "文"), ("<blank>", "中", "文", "a@@"), "at_bpe"),
        (("the", "a@@", "b"), ("<blank>", "the", "a@@", "b"), "at_bpe"),
    ],
)
def test_a_model_of_tokens_is_known_by_its_words(
    words: tuple[str, ...], symbols: tuple[str, ...], kind: TokenKind
) -> None:
    assert isinstance(relate(build(unigrams(*words)), symbols, kind), TokenUnits)


@pytest.mark.parametrize(
    ("symbols", "kind"),
    [
        (("<blk>", "▁the", "▁a", "the", "on", "one"), "bpe"),
        (("Ġthe", "the", "on", "one"), "gpt2_bpe"),
        (("t@@", "the", "on", "one"), "at_bpe"),
        (("t", "h", "e", "|"), "delimited"),
    ],
)
def test_a_model_of_words_is_known_by_its_words(symbols: tuple[str, ...], kind: TokenKind) -> None:
    assert isinstance(relate(build(unigrams("the", "on", "one")), symbols, kind), WordUnits)


def test_the_unit_can_be_told() -> None:
    model = build(unigrams("a", "b"))
    assert isinstance(relate(model, ["a", "b"], "char", "words"), WordUnits)
    assert isinstance(relate(model, ["▁the"], "bpe", "tokens"), TokenUnits)


@pytest.mark.parametrize(
    ("word", "symbols"),
    [
        ("THE", ["▁th", "e"]),
        ("the", ["▁TH", "E"]),
        ("The", ["▁th", "e"]),
        ("the", ["▁Th", "e"]),
        ("THE", ["▁Th", "e"]),
        ("The", ["▁Th", "e"]),
    ],
)
def test_case_that_parts_words_from_tokens_is_folded(word: str, symbols: list[str]) -> None:
    reference = unigrams("xyz", word) if word.islower() else unigrams("XYZ", word)
    assert hear(reference, symbols, "bpe") == pytest.approx(reference.text((word,)), abs=TOLERANCE)


def test_a_word_in_the_case_of_the_tokens_comes_first() -> None:
    for words in (("us", "US", "Us"), ("US", "Us", "us")):
        reference = unigrams(*words)
        assert hear(reference, ["▁us"], "bpe") == pytest.approx(reference.text(("us",)))


def test_words_that_differ_in_case_stay_apart_where_tokens_tell_them_apart() -> None:
    reference = unigrams("us", "US")
    assert hear(reference, ["▁US", "▁us"], "bpe") == pytest.approx(reference.text(("US", "us")))


@pytest.mark.parametrize("mark", [",", "。", "!"])
def test_punctuation_that_no_word_has_is_not_heard(mark: str) -> None:
    reference = unigrams("the", "don't")
    symbols = ["▁the", mark, "▁" + mark, "▁don't"]
    expected = reference.text(("the", "don't"))
    assert hear(reference, symbols, "bpe") == pytest.approx(expected, abs=TOLERANCE)


def test_a_space_that_the_model_lacks_is_not_heard() -> None:
    reference = unigrams("中", "文")
    expected = reference.text(("中", "文"))
    assert hear(reference, ["中", "▁", "文"], "char") == pytest.approx(expected, abs=TOLERANCE)


def test_marks_that_the_model_lacks_are_not_heard() -> None:
    reference = unigrams("中", "文")
    expected = reference.text(("中", "文"))
    assert hear(reference, ["▁中", "文"], "bpe") == pytest.approx(expected, abs=TOLERANCE)


def test_a_token_that_the_model_lacks_is_unknown() -> None:
    reference = unigrams("a", "b")
    expected = reference.text(("a", UNK, "b"))
    assert hear(reference, ["a", "c", "b"], "char") == pytest.approx(expected, abs=TOLERANCE)
