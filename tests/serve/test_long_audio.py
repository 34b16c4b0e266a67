"""Long audio is heard in pieces, in order, and its times count from its start."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.serve.long_audio import hear_spans, join, merge
from auricle.serve.planning import Waveform
from auricle.serve.tags import Tags
from auricle.serve.tokens import Part, Token, Transcript, Word
from auricle.serve.vad import Span

RATE = 100


def spell(pieces: Sequence[Waveform]) -> list[Transcript]:
    """The first sample and the length of each."""
    return [said(f"{piece[0]:.0f}:{len(piece)}") for piece in pieces]


def said(text: str, language: str | None = None, tags: Tags | None = None) -> Transcript:
    """A token and a word at 0.1 s."""
    tokens, words = [Token(text, 0.1, 0.5)], [Word(text, 0.1, 0.2, 0.5)]
    return Transcript(text, tokens, words, language, tags)


@given(
    st.lists(st.integers(1, 400), max_size=30),
    st.integers(1, 1000),
    st.integers(1, 3),
)
def test_pieces_are_heard_in_order_by_any_number_of_workers(
    lengths: list[int], max_samples: int, workers: int
) -> None:
    ends = np.cumsum(lengths, dtype=int).tolist()
    spans = [Span(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    waveform = np.arange(sum(lengths) + 1, dtype=np.float32)
    found = list(hear_spans(waveform, spans, spell, max_samples, workers))
    expected = [(span, said(f"{span.start}:{span.end - span.start}")) for span in spans]
    assert found == expected


def test_what_is_heard_at_once_is_bounded_and_no_copy() -> None:
    waveform = np.zeros(1000, np.float32)
    asked: list[list[int]] = []

    def hear(pieces: Sequence[Waveform]) -> list[Transcript]:
        assert all(np.shares_memory(piece, waveform) for piece in pieces)
        asked.append([len(piece) for piece in pieces])
        return spell(pieces)

    spans = [Span(0, 100), Span(100, 250), Span(250, 300), Span(300, 700), Span(700, 710)]
    list(hear_spans(waveform, spans, hear, 300, 1))
    assert asked == [[100, 150, 50], [400], [10]]


def test_hearing_begins_before_all_is_cut() -> None:
    """With two workers, no more than three steps are cut ahead of what is heard."""
    cut, heard = 0, 0
    lock = threading.Lock()

    def spans() -> Iterator[Span]:
        nonlocal cut
        for number in range(20):
            cut = number
            yield Span(number, number + 1)

    def hear(pieces: Sequence[Waveform]) -> list[Transcript]:
        nonlocal heard
        with lock:
            heard += 1
        return spell(pieces)

    for number, _ in enumerate(hear_spans(np.zeros(20, np.float32), spans(), hear, 1, 2)):
        assert cut <= number + 5
    assert heard == 20


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_of_one_piece_is_that_of_all(workers: int) -> None:
    def hear(_pieces: Sequence[Waveform]) -> list[Transcript]:
        raise ValueError("no such shape")

    with pytest.raises(ValueError, match="no such shape"):
        list(hear_spans(np.zeros(20, np.float32), [Span(0, 10), Span(10, 20)], hear, 1, workers))


def test_times_count_from_the_start() -> None:
    whole = join([(Span(50, 90), said("one")), (Span(200, 260), said("two"))], RATE)
    assert whole.text == "one two"
    assert [token.start for token in whole.tokens] == pytest.approx([0.6, 2.1])
    assert [word.start for word in whole.words] == pytest.approx([0.6, 2.1])
    assert [word.end for word in whole.words] == pytest.approx([0.7, 2.2])
    assert whole.parts is not None
    assert [(part.start, part.end, part.transcript.text) for part in whole.parts] == [
        (0.5, 0.9, "one"), (2.0, 2.6, "two"),
    ]  # fmt: skip


def test_passages_of_a_piece_are_parts_of_the_whole() -> None:
    passages = (Part(0.0, 0.2, said("one")), Part(0.2, 0.2, said("")), Part(0.2, 0.4, said("two")))
    piece = replace(said("one two"), parts=passages)
    whole = join([(Span(50, 90), piece), (Span(200, 260), said("three"))], RATE)
    assert whole.text == "one two three"
    assert whole.parts is not None
    assert [part.transcript.text for part in whole.parts] == ["one", "two", "three"]
    times = [time for part in whole.parts for time in (part.start, part.end)]
    assert times == pytest.approx([0.5, 0.7, 0.7, 0.9, 2.0, 2.6])
    starts = [part.transcript.words[0].start for part in whole.parts]
    assert starts == pytest.approx([0.6, 0.6, 2.1])


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=30), st.integers(1, 200)
)
def test_neighbours_are_merged_up_to_a_bound_and_no_speech_is_lost(
    silences_and_speech: list[tuple[int, int]], max_samples: int
) -> None:
    spans, at = [], 0
    for silence, speech in silences_and_speech:
        spans.append(Span(at + silence, at + silence + speech))
        at = spans[-1].end
    merged = list(merge(spans, max_samples))
    starts, ends = {span.start for span in spans}, {span.end for span in spans}
    assert all(each.start in starts and each.end in ends for each in merged)
    assert all(any(m.start <= s.start and s.end <= m.end for m in merged) for s in spans)
    assert all(each in spans or each.end - each.start <= max_samples for each in merged)
    for one, two in pairwise(merged):
        assert one.end < two.start
        following = next(span for span in spans if span.start == two.start)
        assert following.end - one.start > max_samples


def test_unknown_times_stay_unknown() -> None:
    heard = Transcript("a", [Token("a", None, None)], [Word("a", None, None, None)])
    whole = join([(Span(50, 90), heard)], RATE)
    assert (whole.tokens, whole.words) == (heard.tokens, heard.words)


def test_ideographs_of_two_pieces_stand_together() -> None:
    spans = [Span(0, 1), Span(1, 2), Span(2, 3)]
    texts = ["你好", "北京", "go"]
    assert join(zip(spans, map(said, texts), strict=True), RATE).text == "你好北京 go"


def test_what_says_nothing_is_no_part() -> None:
    nothing = Transcript("", [], [], "nospeech")
    whole = join([(Span(0, 500), nothing), (Span(500, 510), said("go", "en"))], RATE)
    assert whole.parts is not None
    assert [part.transcript.text for part in whole.parts] == ["go"]
    assert whole.language == "en"
    assert join([(Span(0, 500), nothing)], RATE) == Transcript("", [], [], parts=())


def test_language_and_tags_are_those_of_most_of_the_audio() -> None:
    glad, sad = Tags(emotion="HAPPY"), Tags(emotion="SAD")
    heard = [
        (Span(0, 30), said("a", "en", glad)),
        (Span(30, 70), said("b", "zh", sad)),
        (Span(70, 90), said("c", "en", glad)),
    ]
    assert (join(heard, RATE).language, join(heard, RATE).tags) == ("en", glad)
