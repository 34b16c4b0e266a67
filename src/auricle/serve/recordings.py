"""Recordings that are longer than a model takes: cut where nobody speaks, and heard in pieces."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from auricle.serve.detector import SpeechDetector
from auricle.serve.long_audio import hear_spans, join, merge
from auricle.serve.long_form import MAX_ROWS, LongForm
from auricle.serve.options import DecodingOptions
from auricle.serve.planning import Waveform
from auricle.serve.tokens import Transcript
from auricle.serve.vad import Span
from auricle.spec import Choices

Hear = Callable[[Sequence[Waveform], Sequence[DecodingOptions]], list[Transcript]]


class Recordings:
    """max_seconds: of a piece.  hear: transcribes pieces, each whole.

    form: of a model that fills all audio up to a window; then few and long pieces are best.
    """

    def __init__(
        self,
        detector: SpeechDetector,
        choices: Choices,
        max_seconds: float,
        hear: Hear,
        form: LongForm | None,
    ) -> None:
        self.detector, self.choices, self.hear, self.form = detector, choices, hear, form
        self.rate = detector.facts.sample_rate
        self.max_seconds = min(max_seconds, form.window / self.rate) if form else max_seconds

    def transcribe(self, waveform: Waveform, options: DecodingOptions) -> Transcript:
        spans = self._find_speech(waveform, options)
        if self.form:
            pieces = self._hear_windows(self.form, waveform, spans, options)
        else:
            max_samples = self.choices.max_batch_seconds * self.rate
            pieces = self._hear_spans(waveform, spans, options, max_samples)
        return join(pieces, self.rate)

    def _find_speech(self, waveform: Waveform, options: DecodingOptions) -> Iterator[Span]:
        assert options.speech, "what is cut has options of speech"
        longest = min(self.max_seconds, options.speech.max_speech_duration_s)
        return self.detector.find(waveform, replace(options.speech, max_speech_duration_s=longest))

    def _hear_windows(
        self, form: LongForm, waveform: Waveform, spans: Iterator[Span], options: DecodingOptions
    ) -> Iterator[tuple[Span, Transcript]]:
        """As by openai/whisper, passages have times and the first window tells the language."""
        windows = merge(spans, self.max_seconds * self.rate)
        options = replace(options, timestamps=True)
        first = list(self._hear_spans(waveform, islice(windows, 1), options, form.window))
        options = form.settle(options, [transcript for _, transcript in first])
        rest = self._hear_spans(waveform, windows, options, MAX_ROWS * form.window)
        return chain(first, rest)

    def _hear_spans(
        self,
        waveform: Waveform,
        spans: Iterable[Span],
        options: DecodingOptions,
        max_samples: float,
    ) -> Iterator[tuple[Span, Transcript]]:
        def hear(pieces: Sequence[Waveform]) -> list[Transcript]:
            return self.hear(pieces, [options] * len(pieces))

        return hear_spans(waveform, spans, hear, max_samples, self.choices.vad_workers)
