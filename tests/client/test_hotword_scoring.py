"""Hotwords found, against their definition."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auricle.client.hotword_scoring import Hits, Marker, score_hotwords
from auricle.client.reports import hotword_lines

UNITS = st.lists(st.sampled_from("abc"), max_size=10).map(tuple)
HOTWORDS = st.sets(UNITS.filter(len).map(lambda units: units[:4]), max_size=6)


def slow_mark(text: tuple[str, ...], hotwords: set[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The longest hotword that the text begins with, and what is in the rest."""
    if not text:
        return []
    begins = [one for one in hotwords if text[: len(one)] == one]
    if not begins:
        return slow_mark(text[1:], hotwords)
    longest = max(begins, key=len)
    return [longest, *slow_mark(text[len(longest) :], hotwords)]


@settings(deadline=None)
@given(UNITS, HOTWORDS)
def test_hotwords_are_marked_from_the_left_the_longest_first(
    text: tuple[str, ...], hotwords: set[tuple[str, ...]]
) -> None:
    assert list(Marker(hotwords).mark(text)) == slow_mark(text, hotwords)


@settings(deadline=None)
@given(st.dictionaries(st.text("xyz", min_size=1), st.tuples(UNITS, UNITS), max_size=5), HOTWORDS)
def test_counts_are_sums_over_utterances(
    corpus: dict[str, tuple[tuple[str, ...], tuple[str, ...]]], hotwords: set[tuple[str, ...]]
) -> None:
    references = {name: " ".join(pair[0]) for name, pair in corpus.items()}
    hypotheses = {name: " ".join(pair[1]) for name, pair in corpus.items()}
    found = score_hotwords(references, hypotheses, [" ".join(each) for each in hotwords])
    for hotword in hotwords:
        pairs = [
            (slow_mark(said, hotwords).count(hotword), slow_mark(heard, hotwords).count(hotword))
            for said, heard in corpus.values()
        ]
        expected = Hits(
            sum(said for said, _ in pairs),
            sum(heard for _, heard in pairs),
            sum(min(pair) for pair in pairs),
        )
        assert found.words.get(" ".join(hotword), Hits(0, 0, 0)) == expected


@pytest.mark.parametrize(
    ("reference", "hypothesis", "hotword", "expected"),
    [
        ("邓郁松认为", "邓玉松认为", "邓郁松", Hits(1, 0, 0)),
        ("邓玉松认为", "邓郁松认为", "邓郁松", Hits(0, 1, 0)),
        ("nevs国能汽车好", "NEVS 国能汽车", "Nevs国能汽车", Hits(1, 1, 1)),
        ("The Cat.", "the cat", "THE CAT", Hits(1, 1, 1)),
        ("catalogue", "cat", "cat", Hits(0, 1, 0)),
        ("one one", "one", "one", Hits(2, 1, 1)),
    ],
)
def test_a_hotword_is_found_whole_in_any_case(
    reference: str, hypothesis: str, hotword: str, expected: Hits
) -> None:
    assert score_hotwords({"a": reference}, {"a": hypothesis}, [hotword]).words[hotword] == expected


def test_rates_are_those_of_the_counts() -> None:
    hits = Hits(said=4, heard=3, correct=3)
    assert (hits.precision, hits.recall) == (100.0, 75.0)
    assert hits.f1 == pytest.approx(2 * 100 * 75 / 175)


@pytest.mark.parametrize("hotwords", [[], ["never"], [""], ["."]])
def test_where_nothing_is_found_there_are_no_rates(hotwords: list[str]) -> None:
    found = score_hotwords({"a": "one"}, {}, hotwords)
    assert found.total == Hits(0, 0, 0)
    expected = "hotwords: precision - [ 0 / 0 ], recall - [ 0 / 0 ], F1 -"
    assert hotword_lines(found) == expected


def test_an_utterance_without_a_hypothesis_heard_nothing() -> None:
    assert score_hotwords({"a": "one", "b": "one"}, {"a": "one"}, ["one"]).total == Hits(2, 1, 1)


def test_the_table_shows_the_worst_first() -> None:
    found = score_hotwords({"a": "one two 你好"}, {"a": "one 你好 two two"}, ["one", "two", "海"])
    assert hotword_lines(found).splitlines() == [
        "hotwords: precision 66.67 [ 2 / 3 ], recall 100.00 [ 2 / 2 ], F1 80.00",
        "   said  heard  correct  precision  recall      F1  hotword",
        "      1      2        1      50.00  100.00   66.67  two",
        "      1      1        1     100.00  100.00  100.00  one",
    ]
