import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import numpy as np
import pytest

from auricle.audio import Waveform
from auricle.client import AsyncClient, Segment, Transcription
from auricle.client.results import Result, Token, Word
from auricle.client.streaming.partials import Chunk
from auricle.client.streaming.second_pass import Better, SecondPass, join
from auricle.errors import BusyError


class Offline:
    """Answers with the number of samples; refuses waveforms of 13."""

    sample_rate = 100

    async def transcribe(self, waveform: Waveform, *, details: bool) -> Transcription:
        await asyncio.sleep(0.01 * len(waveform))
        if len(waveform) == 13:
            raise BusyError("full")
        text = str(len(waveform))
        words = (Word(text, 0.1, 0.2),)
        part = Segment(0, 0.0, None, text, tokens=(Token(text, 0.1),), words=words)
        return Transcription(text, Result("offline", text, segments=(part,)), 0.1, 0.1)


def improve(segments: Sequence[Segment], rate: int = 100) -> tuple[list[Better], list[Segment]]:
    """Chunks of 7 samples to the end of the last segment; each is taken as soon as it is there."""
    told: list[Segment] = []

    async def speak(seconds: float) -> AsyncIterator[Chunk]:
        for _ in range(round(seconds * rate / 7) + 1):
            yield Chunk(np.zeros(7, np.float32))

    async def run() -> list[Better]:
        second = SecondPass(cast(AsyncClient, Offline()), rate, told.append)
        waiting, heard = list(segments), 0
        async for chunk in second.keep(speak(segments[-1].end or 0.0)):
            heard += len(chunk.samples)
            while waiting and (waiting[0].end or 0.0) * rate <= heard:
                second.take([waiting.pop(0)])
        return await second.finish()

    return asyncio.run(run()), told


def test_each_segment_is_heard_from_the_end_of_the_one_before_to_its_own() -> None:
    ends = (0.1, 0.35, 0.36)
    better, told = improve([Segment(n, 0.0, end, "x") for n, end in enumerate(ends)])
    assert [one.segment.text for one in better] == ["10", "25", "1"]
    assert {segment.text for segment in told} == {"10", "25", "1"}


def test_times_count_from_the_start_of_the_stream() -> None:
    better, _ = improve([Segment(0, 0.0, 0.1, "x"), Segment(1, 0.1, 0.3, "y", endpoint="rule2")])
    segment = better[1].segment
    assert segment.words == (Word("20", 0.2, 0.3),)
    assert segment.tokens == (Token("20", 0.2),)
    assert (segment.id, segment.start, segment.end, segment.endpoint) == (1, 0.1, 0.3, "rule2")


def test_the_audio_is_resampled_for_the_offline_model() -> None:
    better, _ = improve([Segment(0, 0.0, 0.5, "x")], rate=200)
    assert better[0].segment.text == "50"


def test_a_request_that_fails_leaves_the_first_text(caplog: pytest.LogCaptureFixture) -> None:
    better, told = improve([Segment(0, 0.0, 0.13, "first"), Segment(1, 0.13, 0.2, "second")])
    assert [one.segment.text for one in better] == ["first", "7"]
    assert better[0].latency_s is None
    assert len(told) == 1
    assert "segment 0 keeps its first text: full" in caplog.text


def test_a_segment_without_words_is_not_asked_about() -> None:
    better, told = improve([Segment(0, 0.0, 0.1, ""), Segment(1, 0.1, 0.2, "x")])
    assert [one.segment.text for one in better] == ["", "10"]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (["one two", "", "three"], "one two three"),
        (["你好", "世界"], "你好世界"),
        (["one", "世界", "two"], "one世界two"),
        ([], ""),
    ],
)
def test_texts_are_joined_as_their_language_does(texts: list[str], joined: str) -> None:
    assert join(texts) == joined
