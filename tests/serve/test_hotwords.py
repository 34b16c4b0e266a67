import time

import numpy as np
import pytest

from auricle.errors import InvalidRequestError
from auricle.serve.hotwords import NUM_LISTS, HotwordEmbedder, HotwordTokens
from auricle.serve.runner import Tensors
from auricle.spec import Hotwords
from tests.conftest import FakeRunner

SYMBOLS = ["<blank>", "<s>", "</s>", "a@@", "ack", "alarm", "le@@", "l@@", "ft", "北", "京", "2",
           "ala@@", "rms", "X", "<unk>"]  # fmt: skip
UNK_ID = SYMBOLS.index("<unk>")
FACTS = Hotwords(max_tokens=4, last_id=1)


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("alarm", ["alarm"]),
        ("left", ["le@@", "ft"]),
        ("alarms", ["ala@@", "rms"]),
        ("aack", ["a@@", "ack"]),
        ("Left", ["le@@", "ft"]),
        ("ALARM", ["alarm"]),
        ("x", ["X"]),
        ("北京", ["北", "京"]),
        ("北left京", ["北", "le@@", "ft", "京"]),
        ("22", ["2", "2"]),
        ("北2", ["北", "2"]),
        ("海", ["<unk>"]),
        ("北海", ["北", "<unk>"]),
        ("lez", ["le@@", "<unk>"]),
    ],
)
def test_a_hotword_is_spelled_by_the_models_tokens(word: str, pieces: list[str]) -> None:
    ids = HotwordTokens(SYMBOLS, UNK_ID, FACTS).encode(word)
    assert [SYMBOLS[token_id] for token_id in ids] == pieces


def test_a_hotword_of_too_many_tokens_is_refused_by_name() -> None:
    message = "hotword '北京北京北' has more than 4 tokens, but this model takes 1 to 4"
    with pytest.raises(InvalidRequestError, match=message):
        HotwordTokens(SYMBOLS, UNK_ID, FACTS).encode("北京北京北")


@pytest.mark.parametrize("word", ["z" * 60_000, "北" * 60_000, "le" * 30_000])
def test_a_hotword_of_any_length_is_refused_at_once(word: str) -> None:
    tokens = HotwordTokens(SYMBOLS, UNK_ID, FACTS)
    started = time.perf_counter()
    with pytest.raises(InvalidRequestError) as raised:
        tokens.encode(word)
    assert time.perf_counter() - started < 0.5
    assert len(str(raised.value)) < 150


def test_a_case_of_few_enough_tokens_is_taken() -> None:
    symbols = ["<unk>", "A@@", "A", "aaaaa"]
    assert HotwordTokens(symbols, 0, FACTS).encode("AAAAA") == (3,)


def test_without_an_unk_unknown_characters_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="hotword '海' has characters"):
        HotwordTokens(SYMBOLS, None, FACTS).encode("海")


def embed(batch: Tensors) -> Tensors:
    return {"hw_embed": np.hstack([batch["hotwords"], batch["hotword_lens"][:, None]])}


def test_every_list_ends_with_its_last_entry() -> None:
    embedder = HotwordEmbedder(FakeRunner({"hotword_embedder": embed}), FACTS)
    assert embedder(((5,), (9, 10))).tolist() == [
        [5, 0, 0, 0, 1],
        [9, 10, 0, 0, 2],
        [1, 0, 0, 0, 1],
    ]
    assert embedder(()).tolist() == [[1, 0, 0, 0, 1]]


def test_only_the_latest_lists_are_kept() -> None:
    runner = FakeRunner({"hotword_embedder": embed})
    embedder = HotwordEmbedder(runner, FACTS)
    for token_id in range(NUM_LISTS + 1):
        embedder(())
        embedder(((token_id,),))
    assert len(runner.asked) == NUM_LISTS + 2  # the empty list, always in use, was never dropped
