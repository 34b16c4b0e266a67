"""What one request may ask of the recogniser beside its audio."""

from dataclasses import dataclass

from auricle.serve.vad import SpeechOptions
from auricle.spec import Choices, Decoding, PipelineSpec

HotwordIds = tuple[tuple[int, ...], ...]  # the token ids of each


@dataclass(frozen=True)
class DecodingOptions:
    """Utterances with equal `decoding` and `hotwords` can share a run of the encoder.

    language, text_norm: numbers that the encoder takes; None where it takes none.
    hotwords: without the entry that ends the list.
    Of a decoder that writes token by token, in its tokens: language, None where it is to tell;
    task, None for the model's own; prompt: what was said before; prefix: all that it hears before
    it writes, instead of the others; timestamps: whether it says when things were said.
    speech: where audio that is too long is cut; None where it may not be.
    """

    decoding: Decoding
    language: int | None = None
    text_norm: int | None = None
    hotwords: HotwordIds = ()
    task: int | None = None
    prompt: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()
    timestamps: bool = False
    speech: SpeechOptions | None = None


def default_options(spec: PipelineSpec, choices: Choices) -> DecodingOptions:
    """What a request gets that asks for nothing."""
    if facts := spec.autoregressive:
        language = facts.languages.get(facts.default_language or "")
        task = facts.tasks.get(facts.default_task or "transcribe")
        return DecodingOptions(choices.decoding, language, task=task)
    if spec.prompt is None:
        return DecodingOptions(choices.decoding)
    language = next(iter(spec.prompt.languages.values()))
    text_norm = next(iter(spec.prompt.text_norms.values()))
    return DecodingOptions(choices.decoding, language, text_norm)


def speech_options(choices: Choices) -> SpeechOptions:
    """What speech is, to a request that does not say itself."""
    return SpeechOptions(
        choices.vad_threshold,
        choices.vad_min_speech_duration_ms,
        choices.vad_min_silence_duration_ms,
        choices.vad_speech_pad_ms,
    )
