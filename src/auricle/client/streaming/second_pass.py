"""A better text for each segment that a stream has finished, by an offline model of the server.

The audio of the segment goes as an ordinary request; the stream does not wait for it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auricle import audio
from auricle.audio import Waveform
from auricle.client.client import AsyncClient
from auricle.client.results import Segment, Token, Transcription, Word
from auricle.client.scoring import CJK
from auricle.client.streaming.partials import Chunk
from auricle.errors import AuricleError

Tell = Callable[[Segment], None]

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Better:
    """A segment after its second pass, and what that took since its end was known.

    latency_s: None where there was none: no audio, no text, or a request that failed.
    """

    segment: Segment
    latency_s: float | None = None


class SecondPass:
    """Of one stream, whose audio comes at `rate` Hz.

    client: of the offline model.  tell: hears of each better segment as it comes.
    """

    def __init__(self, client: AsyncClient, rate: int, tell: Tell) -> None:
        self._client, self._rate, self._tell = client, rate, tell
        self._kept: deque[Waveform] = deque()  # since the end of the last segment
        self._cut_at = 0  # samples of the stream before those
        self._asked: list[asyncio.Task[Better]] = []

    async def keep(self, chunks: AsyncIterable[Chunk]) -> AsyncIterator[Chunk]:
        """The chunks as they are, on their way to the first pass."""
        async for chunk in chunks:
            self._kept.append(chunk.samples)
            yield chunk

    def take(self, segments: Iterable[Segment]) -> None:
        """Segments that have ended, in order."""
        for segment in segments:
            waveform = self._cut(segment.end)
            self._asked.append(asyncio.create_task(self._improve(segment, waveform)))

    async def finish(self) -> list[Better]:
        """All that were taken; one whose request fails keeps its first text."""
        return list(await asyncio.gather(*self._asked))

    async def aclose(self) -> None:
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)

    def _cut(self, end: float | None) -> Waveform:
        """The audio until second `end`; None is all that is there."""
        kept: Waveform = np.concatenate([np.zeros(0, np.float32), *self._kept])
        size = len(kept) if end is None else round(end * self._rate) - self._cut_at
        part = kept[: max(0, size)]
        self._kept = deque([kept[len(part) :].copy()])
        self._cut_at += len(part)
        return part

    async def _improve(self, segment: Segment, waveform: Waveform) -> Better:
        start = time.perf_counter()
        if not len(waveform) or not segment.text:
            return Better(segment)
        resampled = audio.resample(waveform, self._rate, self._client.sample_rate)
        try:
            answer = await self._client.transcribe(resampled, details=True)
        except AuricleError as error:
            LOG.warning("segment %d keeps its first text: %s", segment.id, error)
            return Better(segment)
        better = _replaced(segment, answer)
        self._tell(better)
        return Better(better, time.perf_counter() - start)


def join(texts: Sequence[str]) -> str:
    """Words with a space between, Chinese, Japanese and Korean without."""
    joined = ""
    for text in filter(None, texts):
        is_close = not joined or CJK.match(joined[-1]) or CJK.match(text[0])
        joined += text if is_close else f" {text}"
    return joined


def _replaced(segment: Segment, answer: Transcription) -> Segment:
    """With the text, tokens and words of the answer, whose times count from the segment's start."""
    parts = answer.result.segments if answer.result else ()
    start = segment.start or 0.0
    tokens = tuple(_later_token(one, start) for part in parts for one in part.tokens)
    words = tuple(_later_word(one, start) for part in parts for one in part.words)
    return replace(segment, text=answer.text, tokens=tokens, words=words, nbest=())


def _later_token(token: Token, seconds: float) -> Token:
    return token if token.start is None else replace(token, start=round(token.start + seconds, 3))


def _later_word(word: Word, seconds: float) -> Word:
    start = None if word.start is None else round(word.start + seconds, 3)
    end = None if word.end is None else round(word.end + seconds, 3)
    return replace(word, start=start, end=end)
