"""Both vocabularies say every sentence, and their special tokens are FunASR's."""

import random

import pytest

pytest.importorskip("sentencepiece")

from training import mandarin, words
from training.sanm.tokens import TAGS, Cuts, Pieces, train_bpe


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    path = tmp_path_factory.mktemp("bpe") / "bpe.model"
    train_bpe(path)
    return Pieces.load(path)


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    rng = random.Random(0)
    english = [words.training_sentence(rng) for _ in range(300)]
    return [
        *english,
        *words.VOCABULARY,
        *(mandarin.training_sentence(rng) for _ in range(300)),
    ]


def test_pieces_decode_what_they_encode(pieces: Pieces, sentences: list[str]) -> None:
    assert [pieces.decode(pieces.encode(sentence)) for sentence in sentences] == sentences


def test_cuts_decode_what_they_encode(pieces: Pieces, sentences: list[str]) -> None:
    cuts = Cuts(pieces.bpe)
    assert [cuts.decode(cuts.encode(sentence)) for sentence in sentences] == sentences


def test_a_character_is_a_token(pieces: Pieces) -> None:
    assert [pieces.tokens[index] for index in pieces.encode("明天七点")] == list("明天七点")
    cuts = Cuts(pieces.bpe)
    assert [cuts.tokens[index] for index in cuts.encode("明天七点")] == list("明天七点")


def test_special_tokens_are_where_funasr_has_them(pieces: Pieces) -> None:
    assert pieces.tokens[:3] == ["<unk>", "<s>", "</s>"]
    assert set(TAGS) <= set(pieces.tokens)
    tokens = Cuts(pieces.bpe).tokens
    assert (tokens[:3], tokens[-1]) == (["<blank>", "<s>", "</s>"], "<unk>")
    assert len(set(tokens)) == len(tokens)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|><|withitn|>"),
        ("stop the music", "<|en|><|NEUTRAL|><|Speech|><|withitn|> stop the music."),
        ("打开灯", "<|zh|><|NEUTRAL|><|Speech|><|withitn|>打开灯。"),
    ],
)
def test_a_transcript_has_four_tags(pieces: Pieces, text: str, expected: str) -> None:
    ids = pieces.tags(text, with_itn=True) + pieces.encode(text, with_itn=True)
    assert pieces.decode(ids) == expected
