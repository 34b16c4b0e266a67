"""Hypotheses to transcripts: text, tokens and words with their times and confidences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.spelling import SPELLINGS, is_punctuation, space_between
from auricle.serve.tags import Tags, is_tag, read_tags
from auricle.spec import Prompt, TokenKind

# No words: icefall's, WeNet's and FunASR's names of what holds a place.
SPECIALS = frozenset(
    ("<blank>", "<blk>", "<eps>", "<unk>", "<s>", "</s>", "<sos>", "<eos>", "<sos/eos>", "<pad>")
)


@dataclass(frozen=True)
class Token:
    """start: seconds from the start of the audio; confidence: its probability at its frame."""

    text: str
    start: float | None
    confidence: float | None


@dataclass(frozen=True)
class Word:
    """end: where its last token that is said ends; confidence: that of its weakest token."""

    text: str
    start: float | None
    end: float | None
    confidence: float | None


@dataclass(frozen=True)
class Alternative:
    """score: natural logarithm of what the search gave the hypothesis, or None."""

    text: str
    score: float | None


@dataclass(frozen=True)
class Transcript:
    """language, tags: what the model itself says of the audio; None where it says nothing.

    parts: of the audio, where it was cut or the model says when each was said; None where it was
        heard whole.
    nbest: texts, best first; None where nobody asked, or the search knows the best only.
    """

    text: str
    tokens: list[Token]
    words: list[Word]
    language: str | None = None
    tags: Tags | None = None
    parts: "tuple[Part, ...] | None" = None
    nbest: tuple[Alternative, ...] | None = None


@dataclass(frozen=True)
class Part:
    """Some of the audio: seconds from the start of all of it, as in the transcript, too."""

    start: float
    end: float
    transcript: Transcript


@dataclass(frozen=True)
class GrowingText:
    """A text that only gets longer.

    tail: its last symbols, on which the next one leans.  has_paused: none leans on what is before.
    """

    text: str = ""
    tail: tuple[str, ...] = ()
    has_paused: bool = False


def _next_frames(frames: Sequence[float]) -> list[float]:
    """One frame behind each, but for tokens of one frame, which end where the next one starts."""
    return [min(frame + 1, following) for frame, following in pairwise([*frames, math.inf])]


@dataclass(frozen=True)
class _Timed:
    """A token with its end, which only a word shows."""

    text: str
    start: float | None
    end: float | None
    confidence: float | None


class TokenTable:
    """Symbols by id, with the rules of one kind of token."""

    def __init__(
        self,
        symbols: Sequence[str],
        kind: TokenKind,
        seconds_per_frame: float,
        prompt: Prompt | None = None,
    ) -> None:
        self.symbols = symbols
        self.seconds_per_frame = seconds_per_frame
        self._spelling = SPELLINGS[kind]
        self._prompt = prompt

    def transcribe(self, hypothesis: Hypothesis, audio_seconds: float = math.inf) -> Transcript:
        """What the hypothesis does not know, times or confidences, is None.

        audio_seconds: behind which nothing starts or ends, though the last frame may reach beyond.
        """
        symbols = [self.symbols[token_id] for token_id in hypothesis.ids]
        known = self._timed(symbols, hypothesis, audio_seconds)
        timed = [each for each in known if self._is_heard(each.text)]
        told = read_tags(symbols, self._prompt) if self._prompt else ()
        return Transcript(
            self._spelling.join([each.text for each in timed]),
            [Token(each.text, each.start, each.confidence) for each in timed],
            self._words(timed),
            *told,
        )

    def tell_nbest(self, nbest: Sequence[Hypothesis], most: int) -> tuple[Alternative, ...]:
        """Different words, best first: two hypotheses may spell them in different pieces."""
        told: dict[tuple[str, ...], Alternative] = {}
        for hypothesis in nbest:
            text = self.transcribe(hypothesis).text
            told.setdefault(tuple(text.split()), Alternative(text, hypothesis.score))
        return tuple(islice(told.values(), most))

    def grow(self, before: GrowingText, ids: Sequence[int]) -> GrowingText:
        """The text with more tokens behind it; token by token or at once, it is the same text."""
        heard = [
            symbol for symbol in (self.symbols[each] for each in ids) if self._is_heard(symbol)
        ]
        if not heard:
            return before
        join, symbols = self._spelling.join, [*before.tail, *heard]
        added = join(symbols).removeprefix(join(before.tail))
        if before.has_paused and added:
            added = space_between(before.text, added) + added
        start = next((at for at in reversed(range(len(symbols))) if join(symbols[at:])), 0)
        return GrowingText(
            before.text + added, tuple(symbols[start:]), before.has_paused and not added
        )

    def pause(self, before: GrowingText) -> GrowingText:
        """The text behind which another utterance begins."""
        return GrowingText(before.text, has_paused=bool(before.text))

    def _timed(
        self, symbols: Sequence[str], hypothesis: Hypothesis, audio_seconds: float
    ) -> list[_Timed]:
        unknown: Sequence[float | None] = [None] * len(symbols)
        starts = ends = confidences = unknown
        if hypothesis.frames is not None:
            last_frames = hypothesis.ends or _next_frames(hypothesis.frames)
            starts = [min(self._seconds(frame), audio_seconds) for frame in hypothesis.frames]
            ends = [min(self._seconds(frame), audio_seconds) for frame in last_frames]
        if hypothesis.log_probs is not None:
            confidences = [math.exp(log_prob) for log_prob in hypothesis.log_probs]
        columns = zip(symbols, starts, ends, confidences, strict=True)
        return [_Timed(*column) for column in columns]

    def _seconds(self, frame: float) -> float:
        lead = self._prompt.lead_frames if self._prompt else 0
        return max(frame - lead, 0) * self.seconds_per_frame

    def _is_heard(self, symbol: str) -> bool:
        return symbol not in SPECIALS and not (self._prompt and is_tag(symbol))

    def _words(self, tokens: Sequence[_Timed]) -> list[Word]:
        groups: list[list[_Timed]] = []
        for token in tokens:
            if not groups or self._spelling.starts_word(groups[-1][-1].text, token.text):
                groups.append([])
            groups[-1].append(token)
        words = (self._word(group) for group in groups)
        return [word for word in words if word.text]

    def _word(self, tokens: Sequence[_Timed]) -> Word:
        text = self._spelling.join([token.text for token in tokens])
        known = [token.confidence for token in tokens if token.confidence is not None]
        said = [token for token in tokens if not is_punctuation(token.text)] or tokens
        return Word(text, tokens[0].start, said[-1].end, min(known, default=None))
