"""The JSON files beside a CTC model of transformers."""

import json
from pathlib import Path

import pytest

from auricle.build.checkpoint.json_files import read_json
from auricle.build.checkpoint.tokens import TokenTable
from auricle.build.checkpoint.transformers import read_vocabulary
from auricle.errors import CheckpointError
from tests.build import tiny_wav2vec2

PLAIN = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "A": 5, "B": 6}


def read(folder: Path, vocab: object, settings: object) -> TokenTable:
    for name, record in {"vocab": vocab, "tokenizer_config": settings}.items():
        (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    return read_vocabulary(folder / "vocab.json", folder / "tokenizer_config.json")


def test_the_pad_token_is_the_blank(tmp_path: Path) -> None:
    table = read(tmp_path, PLAIN, tiny_wav2vec2.TOKENIZER)
    assert table == TokenTable(tuple(PLAIN), "delimited", 0, 3)


def test_names_of_fine_tuned_models_are_known(tmp_path: Path) -> None:
    """As https://huggingface.co/blog/fine-tune-xlsr-wav2vec2 writes them."""
    vocab = {"a": 0, "b": 1, " ": 2, "[UNK]": 3, "[PAD]": 4}
    added = {"5": {"content": "<s>"}, "6": {"content": "</s>"}}
    settings = {"unk_token": "[UNK]", "pad_token": {"content": "[PAD]"},
                "word_delimiter_token": " ", "added_tokens_decoder": added}  # fmt: skip
    table = read(tmp_path, vocab, settings)
    assert table.symbols == ("a", "b", "|", "<unk>", "<pad>", "<s>", "</s>")
    assert (table.blank_id, table.unk_id) == (4, 3)


def test_letters_are_lowered_where_the_tokenizer_does(tmp_path: Path) -> None:
    table = read(tmp_path, PLAIN, {**tiny_wav2vec2.TOKENIZER, "do_lower_case": True})
    assert table.symbols[4:] == ("|", "a", "b")


def test_one_language_of_several_is_taken(tmp_path: Path) -> None:
    vocab = {"eng": PLAIN, "deu": {**PLAIN, "Ä": 7}}
    assert read(tmp_path, vocab, {"target_lang": "deu"}).symbols[-1] == "Ä"
    with pytest.raises(CheckpointError, match=r"vocabularies of eng, deu, but .* target_lang None"):
        read(tmp_path, vocab, {})


@pytest.mark.parametrize(
    ("vocab", "reason"),
    [
        ({"<pad>": 0, "A": 2}, "are not 0, 1, 2"),
        ({"A": 0, "B": 1}, "no '<pad>'"),
        ({"A": "0"}, "no vocabulary"),
        ({}, "no vocabulary"),
        (["A"], "no JSON object"),
    ],
)
def test_what_is_no_vocabulary_is_refused(vocab: object, reason: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=reason):
        read(tmp_path, vocab, {})


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text("{")
    with pytest.raises(CheckpointError, match="cannot read"):
        read_json(tmp_path / "vocab.json")
