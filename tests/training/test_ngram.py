import gzip
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.serve.backend.language_models import load_language_model
from training.ngram import FEW_TEXTS, estimate, write_arpa
from training.sentences import draw_sentences
from training.words import VOCABULARY, has_held_out_pair

MODEL = Path(__file__).parents[2] / "assets" / "lm" / "words.arpa.gz"
WORDS = ("a", "b", "c", "d")
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=6), min_size=1, max_size=20)


def perplexity(path: Path, sentences: Sequence[Sequence[str]]) -> float:
    """Of a word or an end."""
    model = load_language_model(path)
    ids = {word: place for place, word in enumerate(model.words)}
    score, count = 0.0, 0
    for sentence in sentences:
        state = np.array([model.start])
        for word in sentence:
            added, state = model.score(state, np.array([ids[word]]))
            score += added[0]
        score += model.end(state)[0]
        count += len(sentence) + 1
    return math.exp(-score / count)


@given(text=texts, order=st.integers(1, 4), floor=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_probabilities_behind_any_context_add_up_to_1(
    tmp_path_factory: pytest.TempPathFactory, text: list[list[str]], order: int, floor: int
) -> None:
    path = tmp_path_factory.mktemp("lm") / "model.arpa"
    write_arpa(path, estimate(text, order, [1, floor]))
    model = load_language_model(path)
    words = np.array([place for place, word in enumerate(model.words) if word != "<s>"])
    states = np.array([model.start])
    for _ in range(3):
        behind = [model.score(np.full(len(words), state), words) for state in states]
        sums = [np.exp(scores).sum() for scores, _ in behind]
        assert sums == pytest.approx([1] * len(sums), abs=1e-3)  # five digits in the file
        states = np.unique([moved for _, moved in behind])


def test_probabilities_are_those_of_kneser_ney() -> None:
    unigrams, bigrams = estimate([["a", "b"], ["a", "b"], ["c", "b"]], order=2)
    one, two, three = FEW_TEXTS
    # b comes behind a and c, </s> behind b, a and c behind <s>: five pairs of words
    left = (3 * one + two) / 5
    prob_of_b = (2 - two) / 5 + left / 5  # <unk>, a, b, c, </s> share what is left
    assert unigrams["b",].log_prob == pytest.approx(math.log10(prob_of_b))
    # b comes three times, always before </s>
    prob_of_end = (1 - one) / 5 + left / 5
    assert bigrams["b", "</s>"].log_prob == pytest.approx(
        math.log10((3 - three) / 3 + three / 3 * prob_of_end)
    )
    assert unigrams["b",].backoff == pytest.approx(math.log10(three / 3))
    assert unigrams["</s>",].backoff is None


def test_discounts_follow_from_how_many_ngrams_come_how_often() -> None:
    words = [f"{count}.{place}" for count, many in ((1, 8), (2, 4), (3, 2), (4, 1))
             for place in range(many) for _ in range(count)]  # fmt: skip
    (unigrams,) = estimate([[word] for word in words], order=1)
    once = 8 / (8 + 2 * 4)
    discounts = [1 - 2 * once * 4 / 8, 2 - 3 * once * 2 / 4, 3 - 4 * once * 1 / 2]
    total = 2 * len(words)
    left = (8 * discounts[0] + 4 * discounts[1] + 4 * discounts[2]) / total / 17
    for count in (1, 2, 3, 4):
        prob = (count - discounts[min(count, 3) - 1]) / total + left
        assert unigrams[f"{count}.0",].log_prob == pytest.approx(math.log10(prob))


def test_longer_contexts_tell_more(tmp_path: Path) -> None:
    text = [list("abcd" * 3), list("acbd" * 3), list("abdc" * 3)] * 4
    found = []
    for order in (1, 2, 3):
        write_arpa(tmp_path / "model.arpa", estimate(text, order))
        found.append(perplexity(tmp_path / "model.arpa", text))
    assert found == sorted(found, reverse=True)


def test_rare_ngrams_have_no_entry() -> None:
    text = [["a", "b"], ["a", "b"], ["c"]]
    unigrams, bigrams = estimate(text, 2, [9, 2])
    assert set(unigrams) == {("<s>",), ("</s>",), ("<unk>",), ("a",), ("b",), ("c",)}
    assert set(bigrams) == {("<s>", "a"), ("a", "b"), ("b", "</s>")}


@pytest.mark.parametrize(
    ("text", "min_counts", "message"),
    [([], [], "without words"), ([["a"]], [1, 3, 2], r"min_counts \[1, 3, 2\] fall")],
)
def test_what_has_no_model_is_refused(
    text: list[list[str]], min_counts: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        estimate(text, 3, min_counts)


def test_the_command_writes_what_can_be_loaded(tmp_path: Path) -> None:
    text, out = tmp_path / "text", tmp_path / "model.arpa.gz"
    text.write_text("a b\n\nb  c\n", encoding="utf-8")
    command = [sys.executable, "-m", "training.ngram", str(text), str(out), "--order", "2"]
    subprocess.run(command, check=True, cwd=MODEL.parents[2])
    assert {"a", "b", "c"} < set(load_language_model(out).words)


def test_sentences_have_no_pair_that_is_held_out(tmp_path: Path) -> None:
    out = tmp_path / "sentences.txt"
    command = [sys.executable, "-m", "training.sentences", "500", str(out)]
    subprocess.run(command, check=True, cwd=MODEL.parents[2])
    sentences = out.read_text(encoding="utf-8").splitlines()
    assert sentences == list(draw_sentences(500))
    assert not any(map(has_held_out_pair, sentences))


def test_the_model_of_the_demo_is_what_its_commands_make(tmp_path: Path) -> None:
    sentences = [sentence.split() for sentence in draw_sentences(100_000)]
    write_arpa(tmp_path / MODEL.name, estimate(sentences, 3, [1, 30, 30]))
    made, stored = (gzip.decompress(each.read_bytes()) for each in (tmp_path / MODEL.name, MODEL))
    assert made == stored


def test_the_model_of_the_demo_expects_its_grammar() -> None:
    assert set(load_language_model(MODEL).words) == {*VOCABULARY, "<s>", "</s>", "<unk>"}
    fresh = [sentence.split() for sentence in draw_sentences(500, seed=99)]
    assert perplexity(MODEL, fresh) < 35  # 54 for the words alone
