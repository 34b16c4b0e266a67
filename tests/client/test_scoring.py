"""Error rates against their definition: the fewest edits, summed over the corpus."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.client.scoring import Counts, Unit, choose_unit, normalize, score, split

WORDS = st.lists(st.sampled_from(["a", "b", "c", "*"]), max_size=8)
CORPUS = st.dictionaries(st.text("xyz", min_size=1), st.tuples(WORDS, WORDS), max_size=5)


def fewest_edits(reference: list[str], hypothesis: list[str]) -> int:
    """Levenshtein's distance as it is defined."""

    @cache
    def distance(i: int, j: int) -> int:
        if not (i and j):
            return i + j
        return min(
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
            distance(i - 1, j - 1) + (reference[i - 1] != hypothesis[j - 1]),
        )

    return distance(len(reference), len(hypothesis))


def counts(reference: str, hypothesis: str, unit: Unit = "word") -> Counts:
    return score({"a": reference}, {"a": hypothesis}, unit).counts


@settings(deadline=None)
@given(WORDS, WORDS)
def test_errors_are_the_fewest_edits(reference: list[str], hypothesis: list[str]) -> None:
    found = counts(" ".join(reference), " ".join(hypothesis))
    assert found.errors == fewest_edits(reference, hypothesis)
    assert found.reference_units == len(reference)
    assert found.correct + found.substitutions + found.insertions == len(hypothesis)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_an_alignment_spells_both_sides(reference: list[str], hypothesis: list[str]) -> None:
    (one,) = score({"a": " ".join(reference)}, {"a": " ".join(hypothesis)}, "word").utterances
    assert [pair[0] for pair in one.alignment if pair[0]] == reference
    assert [pair[1] for pair in one.alignment if pair[1]] == hypothesis


@settings(deadline=None)
@given(CORPUS)
def test_a_corpus_sums_errors_over_reference_words(
    corpus: dict[str, tuple[list[str], list[str]]],
) -> None:
    references = {name: " ".join(pair[0]) for name, pair in corpus.items()}
    hypotheses = {name: " ".join(pair[1]) for name, pair in corpus.items()}
    whole = score(references, hypotheses, "word")
    errors = sum(fewest_edits(*pair) for pair in corpus.values())
    words = sum(len(pair[0]) for pair in corpus.values())
    assert (whole.counts.errors, whole.counts.reference_units) == (errors, words)
    assert whole.wrong_sentences == sum(pair[0] != pair[1] for pair in corpus.values())
    if words:
        assert whole.error_rate == pytest.approx(100 * errors / words)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("one two three", "one two three", Counts(3)),
        ("one two three", "one too three", Counts(2, substitutions=1)),
        ("one two three", "one three", Counts(2, deletions=1)),
        ("one three", "one two three", Counts(2, insertions=1)),
        ("one two", "", Counts(deletions=2)),
        ("", "one two", Counts(insertions=2)),
        ("", "", Counts()),
        ("a b c d", "b c d e", Counts(3, insertions=1, deletions=1)),
    ],
)
def test_each_kind_of_error_is_counted(reference: str, hypothesis: str, expected: Counts) -> None:
    assert counts(reference, hypothesis) == expected


def test_a_missing_hypothesis_deletes_everything() -> None:
    found = score({"a": "one two", "b": ""}, {}, "word")
    assert (found.counts, found.absent, found.wrong_sentences) == (Counts(deletions=2), 2, 1)


def test_errors_without_reference_words_are_infinitely_many() -> None:
    assert score({"a": ""}, {"a": "one"}, "word").error_rate == float("inf")
    assert score({"a": ""}, {"a": ""}, "word").error_rate == 0


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("one  two", "word", ["one", "two"]),
        ("one two", "char", list("onetwo")),
        ("我们用Triton 服务", "mixed", ["我", "们", "用", "Triton", "服", "务"]),
        ("スーパーで買う", "mixed", list("スーパーで買う")),
        ("안녕 세상 2025", "mixed", ["안", "녕", "세", "상", "2025"]),
        ("𠮷野家 ok", "mixed", ["𠮷", "野", "家", "ok"]),
    ],
)
def test_units(text: str, unit: Unit, expected: list[str]) -> None:
    assert split(text, unit) == expected


@settings(deadline=None)
@given(st.text())
def test_the_mixed_unit_of_text_without_cjk_is_the_word(text: str) -> None:
    if choose_unit([text]) == "word":
        assert split(text, "mixed") == split(text, "word")


@pytest.mark.parametrize(
    ("texts", "characters", "unit"),
    [
        (["one two"], None, "word"),
        (["one two"], True, "char"),
        (["one", "你好 world"], None, "mixed"),
        (["你好"], True, "mixed"),
        (["你好"], False, "word"),
        (["こんにちは"], None, "mixed"),
        (["안녕"], None, "mixed"),
    ],
)
def test_characters_are_counted_where_words_are_not_spaced(
    texts: list[str], characters: bool | None, unit: Unit
) -> None:
    assert choose_unit(texts, characters=characters) == unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don\u2019t stop, 'Roger'!", "don't stop roger"),
        ("well-known  THING.", "well known thing"),
        ("你好\uff0c世界。", "你好 世界"),
        ("$5 for 3.5%", "$5 for 3 5"),
    ],
)
def test_normalizing_drops_case_and_punctuation(text: str, expected: str) -> None:
    assert normalize(text) == expected


@settings(deadline=None)
@given(st.text())
def test_normalizing_twice_changes_nothing_more(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)
