"""A long recording: cut where nobody speaks, heard piece by piece, and joined."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

from auricle.serve.planning import Waveform
from auricle.serve.spelling import space_between
from auricle.serve.tags import Tags
from auricle.serve.tokens import Part, Transcript
from auricle.serve.vad import Span

Hear = Callable[[Sequence[Waveform]], list[Transcript]]


def hear_spans(
    waveform: Waveform, spans: Iterable[Span], hear: Hear, max_samples: float, workers: int
) -> Iterator[tuple[Span, Transcript]]:
    """What is said in each span, in order.

    hear: transcribes several at once; called with spans that follow each other, of max_samples
    together or a single longer one, by so many workers side by side.
    """
    if workers == 1:
        for some in _steps(spans, max_samples):
            yield from zip(some, hear(_pieces(waveform, some)), strict=True)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[list[Span], Future[list[Transcript]]]] = deque()
        for some in _steps(spans, max_samples):
            waiting.append((some, pool.submit(hear, _pieces(waveform, some))))
            if len(waiting) > workers:  # one more than run, so that none waits for the next cut
                yield from _result(*waiting.popleft())
        for some, future in waiting:
            yield from _result(some, future)


def merge(spans: Iterable[Span], max_samples: float) -> Iterator[Span]:
    """Neighbours together with the silence between them, while that is no longer than this.

    For a model that fills all audio up to a window: the fewer, the faster.
    """
    waiting: Span | None = None
    for span in spans:
        if waiting and span.end - waiting.start <= max_samples:
            waiting = Span(waiting.start, span.end)
            continue
        if waiting:
            yield waiting
        waiting = span
    if waiting:
        yield waiting


def join(heard: Iterable[tuple[Span, Transcript]], sample_rate: int) -> Transcript:
    """One transcript, whose parts are those that say something; times count from the start.

    A span of which the model says itself when each passage was said has a part for each of them.
    Language and tags are those of most of the audio.
    """
    parts: list[Part] = []
    said: list[Transcript] = []
    told: Counter[tuple[str | None, Tags | None]] = Counter()
    for span, transcript in heard:
        if transcript.text:
            moved = _moved(transcript, span.start / sample_rate)
            said.append(moved)
            start, end = (at / sample_rate for at in span)
            parts += moved.parts or (Part(start, end, moved),)
            told[transcript.language, transcript.tags] += span.end - span.start
    text = ""
    for each in said:
        text += (space_between(text, each.text) if text else "") + each.text
    tokens = chain.from_iterable(each.tokens for each in said)
    words = chain.from_iterable(each.words for each in said)
    (about, _), *_ = told.most_common(1) or [((None, None), 0)]
    return Transcript(text, list(tokens), list(words), *about, tuple(parts))


def _moved(transcript: Transcript, seconds: float) -> Transcript:
    def later(time: float | None) -> float | None:
        return None if time is None else time + seconds

    tokens = [replace(token, start=later(token.start)) for token in transcript.tokens]
    words = [
        replace(word, start=later(word.start), end=later(word.end)) for word in transcript.words
    ]
    parts = transcript.parts and tuple(
        Part(part.start + seconds, part.end + seconds, _moved(part.transcript, seconds))
        for part in transcript.parts
        if part.transcript.text
    )
    return replace(transcript, tokens=tokens, words=words, parts=parts)


def _steps(spans: Iterable[Span], max_samples: float) -> Iterator[list[Span]]:
    some: list[Span] = []
    for span in spans:
        if some and sum(each.end - each.start for each in [*some, span]) > max_samples:
            yield some
            some = []
        some.append(span)
    if some:
        yield some


def _pieces(waveform: Waveform, spans: Sequence[Span]) -> list[Waveform]:
    """Views, no copies."""
    return [waveform[span.start : span.end] for span in spans]


def _result(
    spans: Sequence[Span], future: "Future[list[Transcript]]"
) -> Iterator[tuple[Span, Transcript]]:
    yield from zip(spans, future.result(), strict=True)
