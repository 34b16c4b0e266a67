"""GPT-2's byte-level BPE, to ids and back, against Hugging Face's tokenizers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auricle.errors import InvalidRequestError
from auricle.serve.byte_pairs import BytePairEncoder, split
from auricle.serve.spelling import SPELLINGS
from tests.build.tiny_whisper import BASE, TEXTS, Vocabulary

tokenizers = pytest.importorskip("tokenizers", reason="pip install 'auricle[dev]'")

TEXT = st.text(
    st.one_of(st.sampled_from(" \n'the quickovsdl北天é123²!?"), st.characters(codec="utf-8"))
)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(BASE)


@pytest.fixture(scope="module")
def encoder(vocabulary: Vocabulary) -> BytePairEncoder:
    symbols = [*vocabulary.merged, *(f"<|{name}|>" for name in vocabulary.special)]
    return BytePairEncoder(symbols, len(vocabulary.merged))


@given(text=TEXT)
@example(text="it's 10 o'clock,  isn't\n\n it?  ")
@example(text="\x1c \x85\u3000a")
def test_ids_are_those_of_tokenizers(
    text: str, vocabulary: Vocabulary, encoder: BytePairEncoder
) -> None:
    assert encoder.encode(text) == vocabulary.tokenizer.encode(text).ids


@given(text=TEXT)
def test_pieces_are_the_whole_text(text: str) -> None:
    assert "".join(split(text)) == text


@given(text=TEXT)
def test_what_is_encoded_is_spelled_again(
    text: str, vocabulary: Vocabulary, encoder: BytePairEncoder
) -> None:
    symbols = [vocabulary.merged[each] for each in encoder.encode(text)]
    assert SPELLINGS["gpt2_bpe"].join(symbols) == text.strip()


def test_bytes_that_are_no_character_are_dropped(encoder: BytePairEncoder) -> None:
    letters = "".join(chr(256 + place) for place in range(2)) + "å"  # the first byte of 天
    assert SPELLINGS["gpt2_bpe"].join(["Ġthe", letters]) == "the\x00\x01"


def test_special_tokens_are_one_each(encoder: BytePairEncoder, vocabulary: Vocabulary) -> None:
    found = encoder.encode_special("<|startoftranscript|><|en|> the")
    special = [vocabulary.special[name] for name in ("startoftranscript", "en")]
    assert found == [*special, *encoder.encode(" the")]
    assert encoder.encode("<|en|>") != [vocabulary.special["en"]]
    with pytest.raises(InvalidRequestError, match=r"'<\|fr\|>' is no token of this model"):
        encoder.encode_special("<|fr|>")


def test_a_long_word_takes_no_longer_than_many_short_ones(encoder: BytePairEncoder) -> None:
    text = "".join(TEXTS).replace(" ", "") * 40
    assert len(encoder.encode(text)) > 1000
