"""What one request may ask of the recogniser beside its audio."""

from dataclasses import dataclass, field, replace

from auricle.serve.decode.context_graph import ContextGraph
from auricle.serve.vad import SpeechOptions
from auricle.spec import Choices, Decoding, Itn, PipelineSpec

HotwordIds = tuple[tuple[int, ...], ...]  # the token ids of each


@dataclass(frozen=True)
class BeamOptions:
    """What a search with a beam is asked for, where the decoding is one.

    width: hypotheses that it follows.  nbest: those that are told, 0 where nobody asked.
    blank_penalty: taken from the blank's logit.
    lm_weight, lm_word_bonus: of the language model; weight 0 leaves it out.
    hotwords: compiled; None where there are none.
    """

    width: int = 10
    nbest: int = 0
    blank_penalty: float = 0.0
    lm_weight: float = 0.0
    lm_word_bonus: float = 0.0
    hotwords: ContextGraph | None = None

    @property
    def is_scored(self) -> bool:
        """Whether anything but the network has a say."""
        return self.lm_weight != 0 or self.hotwords is not None


@dataclass(frozen=True)
class DecodingOptions:
    """Utterances with equal `decoding`, `hotwords` and width of the beam can share a search.

    language, text_norm: numbers that the encoder takes; None where it takes none.
    hotwords: without the entry that ends the list.
    Of a decoder that writes token by token, in its tokens: language, None where it is to tell;
    task, None for the model's own; prompt: what was said before; prefix: all that it hears before
    it writes, instead of the others; timestamps: whether it says when things were said.
    speech: where audio that is too long is cut; None where it may not be.
    itn: whether the text has digits for numbers, in the language that the model tells ("on") or in
    this one; "off" leaves it.
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
    beam: BeamOptions = field(default_factory=BeamOptions)
    itn: Itn = "off"


def default_options(spec: PipelineSpec, choices: Choices) -> DecodingOptions:
    """What a request gets that asks for nothing; hotwords are compiled elsewhere."""
    chosen = _default_prompt(spec, choices)
    beam = BeamOptions(
        choices.beam,
        blank_penalty=choices.blank_penalty,
        lm_weight=choices.lm_weight if choices.lm else 0.0,
        lm_word_bonus=choices.lm_word_bonus if choices.lm else 0.0,
    )
    return replace(chosen, beam=beam, itn=choices.itn)


def _default_prompt(spec: PipelineSpec, choices: Choices) -> DecodingOptions:
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
