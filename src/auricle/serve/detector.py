"""The detector of speech over a Runner: in front of long audio, or as a model of its own."""

from collections.abc import Iterator, Sequence

from auricle.serve.options import DecodingOptions, speech_options
from auricle.serve.planning import Waveform
from auricle.serve.runner import Runner
from auricle.serve.scorers import Aids
from auricle.serve.tokens import Part, TokenTable, Transcript
from auricle.serve.vad import Floats, Span, SpeechOptions, find_speech, speech_probabilities
from auricle.spec import Choices, PipelineSpec, Vad


class SpeechDetector:
    def __init__(self, facts: Vad, runner: Runner) -> None:
        self.facts = facts
        self.runner = runner

    def find(self, waveform: Waveform, options: SpeechOptions) -> Iterator[Span]:
        """Spans in order, each as soon as it is known."""
        probabilities = speech_probabilities(waveform, self._run, self.facts)
        return find_speech(probabilities, len(waveform), self.facts, options)

    def _run(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        outputs = self.runner.run("vad", [{"WINDOWS": windows, "STATE": state}])[0]
        return outputs["SPEECH"], outputs["NEW_STATE"]  # type: ignore[return-value]


class DetectorPipeline:
    """Waveforms in, transcripts without words out: parts where somebody speaks."""

    def __init__(
        self, spec: PipelineSpec, choices: Choices, runner: Runner, tokens: TokenTable
    ) -> None:
        assert spec.vad, "a model with head vad has a detector"
        self.tokens = tokens
        self.aids = Aids()  # none: it searches for no words
        self.defaults = speech_options(choices)
        self.detector = SpeechDetector(spec.vad, runner)

    def transcribe(
        self, waveforms: Sequence[Waveform], options: Sequence[DecodingOptions] | None = None
    ) -> list[Transcript]:
        asked = [each.speech for each in options] if options else [None] * len(waveforms)
        return [
            self._detect(waveform, speech or self.defaults)
            for waveform, speech in zip(waveforms, asked, strict=True)
        ]

    def _detect(self, waveform: Waveform, options: SpeechOptions) -> Transcript:
        rate = self.detector.facts.sample_rate
        nothing = Transcript("", [], [])
        spans = self.detector.find(waveform, options)
        parts = (Part(span.start / rate, span.end / rate, nothing) for span in spans)
        return Transcript("", [], [], parts=tuple(parts))
