"""Phrases to tokens, of each kind, against what the models' own tokenizers write."""

from itertools import product
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.errors import InvalidRequestError
from auricle.serve.phrases import MAX_CHARACTERS, PhraseTokens, Vocabulary
from auricle.serve.spelling import BYTE_CHARACTERS, GPT2_SPACE, SPELLINGS, parse_symbols
from auricle.spec import TokenKind

ASSETS = Path(__file__).parents[2] / "assets" / "icefall-transducer"
DEMO = parse_symbols((ASSETS / "tokens.txt").read_text(encoding="utf-8"))
MIXED = ["<blk>", "<unk>", "▁he", "llo", "▁", "h", "e", "l", "o", "你", "好", "▁HI", "▁们", "i"]
CHARACTERS = ["<blank>", "<unk>", "你", "好", "A", "B", "'", "<space>"]
LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", "E", "H", "L", "O", "你"]
MARKED = ["<blank>", "<s>", "</s>", "a@@", "ack", "alarm", "北", "京", "2", "<unk>"]


def letters(text: str) -> str:
    return "".join(BYTE_CHARACTERS[byte] for byte in text.encode())


BYTES = ["<blk>", "▁", "▁" + letters("你"), letters("好")[:2], letters("好")[2], "a", "b", "▁a"]
PAIRS = ["a", "b", GPT2_SPACE, "ab", GPT2_SPACE + "ab", "<|endoftext|>"]


@pytest.mark.parametrize(
    ("kind", "symbols", "phrase", "pieces"),
    [
        ("bpe", MIXED, "hello", ["▁he", "llo"]),
        ("bpe", MIXED, " hello  hole ", ["▁he", "llo", "▁", "h", "o", "l", "e"]),
        ("bpe", MIXED, "你好", ["你", "好"]),
        ("bpe", MIXED, "你hello好", ["你", "▁he", "llo", "好"]),
        ("bpe", MIXED, "HELLO", ["▁he", "llo"]),
        ("bpe", MIXED, "hi", ["▁", "h", "i"]),
        ("bpe", MIXED, "HI", ["▁HI"]),
        ("bpe", MIXED, "们", ["▁们"]),
        ("char", CHARACTERS, "你好", ["你", "好"]),
        ("char", CHARACTERS, "ab 你好ba b", ["A", "B", "你", "好", "B", "A", "<space>", "B"]),
        ("char", CHARACTERS[:-1], "a b", ["A", "B"]),
        ("byte_bpe", BYTES, "你好", ["▁" + letters("你"), "▁", *BYTES[3:5]]),
        ("byte_bpe", BYTES, "ab 你A", ["▁a", "b", "▁" + letters("你"), "▁a"]),
        ("delimited", LETTERS, "hello hole", [*"HELLO", "|", *"HOLE"]),
        ("delimited", LETTERS, "你 你he", [*"你你HE"]),
        ("at_bpe", MARKED, "alarm 北京22", ["alarm", "北", "京", "2", "2"]),
        ("at_bpe", MARKED, "AACK", ["a@@", "ack"]),
        ("gpt2_bpe", PAIRS, "ab  ab", [GPT2_SPACE + "ab"] * 2),
    ],
)
def test_a_phrase_is_spelled(
    kind: TokenKind, symbols: list[str], phrase: str, pieces: list[str]
) -> None:
    ids = PhraseTokens(symbols, kind).encode(phrase)
    assert [symbols[token_id] for token_id in ids] == pieces


@pytest.mark.parametrize(
    ("kind", "symbols", "phrase", "missing"),
    [
        ("bpe", MIXED, "hello 世界z", "'世界z'"),
        ("char", CHARACTERS, "你<unk>", "'<unk>'"),
        ("byte_bpe", BYTES, "a世c", "'世c'"),
        ("delimited", LETTERS, "he2", "'2'"),
        ("at_bpe", MARKED, "alarm 海", "'海'"),
        ("gpt2_bpe", PAIRS, "abc", "'c'"),
        ("bpe", MIXED, "h\ud800", r"'\ud800'"),
    ],
)
def test_what_no_token_has_is_named(
    kind: TokenKind, symbols: list[str], phrase: str, missing: str
) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        PhraseTokens(symbols, kind, specials=(1,)).encode(phrase)
    assert str(raised.value).endswith(f"has characters that no token of this model has: {missing}")


@pytest.mark.parametrize(
    ("kind", "symbols", "phrase"),
    [
        ("bpe", ["<blk>", "▁ab", "c"], "ac"),
        ("char", ["<blank>", "a", "B"], "ab"),
        ("at_bpe", ["<blank>", "ab"], "ba"),
        ("gpt2_bpe", [GPT2_SPACE, "ab"], "ba"),
        ("delimited", ["<pad>", "a"], "a a"),
    ],
)
def test_what_the_pieces_do_not_make_up_is_refused(
    kind: TokenKind, symbols: list[str], phrase: str
) -> None:
    with pytest.raises(InvalidRequestError, match="cannot be put together"):
        PhraseTokens(symbols, kind).encode(phrase)


@pytest.mark.parametrize(
    ("phrase", "message"),
    [
        ("", "hotword '' has no tokens"),
        (" \t", r"hotword ' \\t' has no tokens"),
        ("h" * (MAX_CHARACTERS + 1), "has 201 characters, but a phrase may have 200 at most"),
    ],
)
def test_phrases_of_no_length_or_too_much_are_refused(phrase: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        PhraseTokens(MIXED, "bpe").encode(phrase)


def test_blank_is_never_spelled() -> None:
    with pytest.raises(InvalidRequestError, match="no token of this model has: '_'"):
        PhraseTokens(["_", "a"], "char", specials=(0,)).encode("a_")


def test_a_case_that_needs_no_bytes_is_taken() -> None:
    symbols = ["<unk>", "▁", "▁ab", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens = PhraseTokens(symbols, "bpe")
    assert tokens.encode("AB") == (2,)
    assert tokens.encode("ä") == (1, symbols.index("<0xC3>"), symbols.index("<0xA4>"))


WORD = st.text("aeinorstvwy", min_size=1, max_size=12)


def split_by_model() -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(ASSETS / "bpe.model"))


@settings(deadline=None, max_examples=300)
@given(st.lists(WORD, min_size=1, max_size=4))
def test_merges_are_those_of_the_models_sentencepiece(words: list[str]) -> None:
    model = split_by_model()
    expected = tuple(model.encode(" ".join(words)))
    assert PhraseTokens(DEMO, "bpe", (0, 2)).encode(" ".join(words)) == expected


@settings(deadline=None)
@given(st.lists(WORD, min_size=1, max_size=4))
def test_the_models_sentencepiece_is_asked_where_it_is_given(words: list[str]) -> None:
    model = split_by_model()
    tokens = PhraseTokens(DEMO, "bpe", (0, 2), lambda text: list(model.encode(text, out_type=str)))
    assert tokens.encode(" ".join(words)) == tuple(model.encode(" ".join(words)))


def test_a_model_marks_no_ideograph_that_follows_others() -> None:
    split = {"你好": ["▁你", "好"], "们": ["▁们"], "hello": ["▁he", "llo"]}
    tokens = PhraseTokens(MIXED, "bpe", (0, 1), lambda text: split.get(text, [text]))
    ids = tokens.encode("你好 hello 们")
    assert [MIXED[token_id] for token_id in ids] == ["你", "好", "▁he", "llo", "▁们"]


def every_split(text: str) -> list[list[str]]:
    """All ways to cut a text."""
    cuts = product((False, True), repeat=max(len(text) - 1, 0))
    return [
        "".join(
            letter + ("\n" if cut else "") for letter, cut in zip(text, [*each, False], strict=True)
        ).split("\n")
        for each in cuts
    ]


@settings(deadline=None)
@given(st.sets(st.text("ab", min_size=2, max_size=4), max_size=6), st.text("ab", max_size=8))
def test_without_an_order_of_merges_pieces_are_the_fewest_and_long_ones_first(
    pieces: set[str], word: str
) -> None:
    symbols = ["a", "b", "▁", *sorted(pieces)]  # letters in front: no order of merges
    ids = {symbol: token_id for token_id, symbol in enumerate(symbols)}
    found = Vocabulary(ids, {}).spell([("▁" + word,)])
    possible = [each for each in every_split("▁" + word) if all(piece in ids for piece in each)]
    best = min(possible, key=lambda each: (len(each), [-len(piece) for piece in each]))
    assert found == [ids[piece] for piece in best]


@settings(deadline=None)
@given(st.lists(WORD, min_size=1, max_size=3))
def test_a_spelled_phrase_reads_as_it_was_written(words: list[str]) -> None:
    ids = PhraseTokens(DEMO, "bpe", (0, 2)).encode(" ".join(words))
    assert SPELLINGS["bpe"].join([DEMO[token_id] for token_id in ids]) == " ".join(words)
