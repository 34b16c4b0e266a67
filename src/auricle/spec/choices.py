"""Choices <-> the parameters of config.pbtxt: how a model is served."""

import dataclasses
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from auricle.errors import RepositoryError
from auricle.spec.facts import BEAM_SEARCHES, DECODINGS, Decoding, PipelineSpec

# The environment variable by which `auricle serve` asks for a request log: 0, 1, or text.
LOG_REQUESTS = "AURICLE_LOG_REQUESTS"

RunnerName = Literal["onnxruntime", "bls"]
Switch = Literal["off", "on"]
Units = Literal["auto", "tokens", "words"]
Itn = Literal["off", "on", "en", "ja", "zh"]

CHOSEN_BY_NAME: dict[str, tuple[str, ...]] = {
    "runner": get_args(RunnerName),
    "decoding": get_args(Decoding),
    "endpoint": get_args(Switch),
    "lm_units": get_args(Units),
    "itn": get_args(Itn),
}

FILES = ("lm", "hotwords")
SHARES = ("max_padding", "vad_threshold")
MAY_BE_NEGATIVE = ("lm_word_bonus", "hotwords_score")

MAY_BE_ZERO = (
    "blank_penalty", "lm_weight", "vad_min_speech_duration_ms",
    "vad_min_silence_duration_ms", "vad_speech_pad_ms", "bucket_seconds",
)  # fmt: skip

RESERVED = "__"  # between a model's name and the name of a model behind it


def encoder_of(model: str) -> str:
    """The name of the encoder that Triton itself runs for a model, with runner bls."""
    return f"{model}{RESERVED}encoder"


@dataclass(frozen=True)
class Choices:
    """How to serve a model, as parameters of its config.pbtxt.

    runner: "onnxruntime" in this process, or "bls": the encoder is Triton's own model
        `<model>__encoder`.
    threads: intra-op threads of each in-process session.
    max_sub_batch: rows in one run of the encoder.
    max_padding: padded share of a sub-batch's samples, 0 to 1.
    max_batch_seconds: rows x longest row of a sub-batch, in seconds of audio.
    bucket_seconds: a sub-batch is padded to a multiple of it, so that shapes repeat; 0: not.
    lookahead: frames that one joiner call scores for each utterance.
    beam: hypotheses of an utterance that a search with a beam follows; max_beam, max_nbest: the
        most that a request may ask for.
    blank_penalty: taken from the blank's logit by a transducer's beam.
    lm: an n-gram language model, ARPA or KenLM's, a file in the version folder; none where empty.
    lm_weight, lm_word_bonus: what its natural logarithms are multiplied by, and what is added for
        each of its units (alpha and beta), if a request does not say itself.
    lm_units: what it is a model of.
    hotwords: a file of phrases, with scores, that every request gets; none where empty.
    hotwords_score: of each token of a phrase that has none of its own.
    itn: whether numbers and dates are written in digits, if a request does not say itself; of a
        model that does not tell the language, in which.
    max_audio_seconds: longer requests are refused.
    endpoint: whether the segments of a stream end by themselves, if it does not say itself.
    endpoint_rule1, 2, 3: seconds of silence though nothing was said, of silence behind speech, and
        of a segment at all, by which it ends.
    max_vad_seconds: of audio that is cut at silences; longer requests are refused.
    vad_workers: threads that hear the pieces of one long request.
    vad_threshold, vad_min_speech_duration_ms, vad_min_silence_duration_ms, vad_speech_pad_ms: what
        speech is, by the names of silero-vad, if a request does not say itself.
    """

    runner: RunnerName = "onnxruntime"
    threads: int = 1
    max_sub_batch: int = 1
    max_padding: float = 0.2
    max_batch_seconds: float = 120.0
    bucket_seconds: float = 0.0
    lookahead: int = 4
    decoding: Decoding = "greedy_search"
    beam: int = 10
    max_beam: int = 20
    max_nbest: int = 20
    blank_penalty: float = 0.0
    lm: str = ""
    lm_weight: float = 0.2
    lm_word_bonus: float = 1.0
    lm_units: Units = "auto"
    hotwords: str = ""
    hotwords_score: float = 1.5
    itn: Itn = "off"
    max_audio_seconds: float = 60.0
    endpoint: Switch = "off"
    endpoint_rule1: float = 2.4
    endpoint_rule2: float = 1.2
    endpoint_rule3: float = 20.0
    max_vad_seconds: float = 3600.0
    vad_workers: int = 1
    vad_threshold: float = 0.5
    vad_min_speech_duration_ms: float = 250.0
    vad_min_silence_duration_ms: float = 100.0
    vad_speech_pad_ms: float = 30.0

    def __post_init__(self) -> None:
        for name, known in CHOSEN_BY_NAME.items():
            if getattr(self, name) not in known:
                raise RepositoryError(
                    f"parameter {name} is {getattr(self, name)!r}; known: {', '.join(known)}"
                )
        for field in dataclasses.fields(self):
            if field.name not in (*CHOSEN_BY_NAME, *FILES):
                _check_number(field.name, getattr(self, field.name))

    def to_parameters(self, but: Collection[str] = ()) -> dict[str, str]:
        """As config.pbtxt has them, but for some names."""
        values = dataclasses.asdict(self)
        return {name: str(value) for name, value in values.items() if name not in but}


def _check_number(name: str, value: float) -> None:
    """NaN is none."""
    if name in SHARES:
        fits, wanted = 0 <= value <= 1, "not in 0..1"
    elif name in MAY_BE_ZERO:
        fits, wanted = 0 <= value < math.inf, "but must be a number of 0 or more"
    elif name in MAY_BE_NEGATIVE:
        fits, wanted = math.isfinite(value), "but must be a number"
    else:
        fits, wanted = 0 < value < math.inf, "but must be a number above 0"
    if not fits:
        raise RepositoryError(f"parameter {name} is {value}, {wanted}")


def check_fit(facts: PipelineSpec, choices: Choices) -> None:
    """RepositoryError if the choices ask for what the model has not."""
    known = DECODINGS[facts.head]
    if choices.decoding not in known:
        raise RepositoryError(
            f"parameter decoding is {choices.decoding!r}, but this "
            f"{facts.family.replace('_', '-')} model knows {', '.join(known)}"
        )
    biased = [name for name in FILES if getattr(choices, name)]
    if biased and choices.decoding not in (BEAM_SEARCHES.get(facts.head), "prefix_beam_search"):
        beam = BEAM_SEARCHES.get(facts.head)
        remedy = f"set decoding to {beam}" if beam else "leave it empty: this model has no beam"
        raise RepositoryError(
            f"parameter {biased[0]} is {getattr(choices, biased[0])!r}, but decoding is "
            f"{choices.decoding}, which has no use for it; {remedy}"
        )
    if facts.rescorer and choices.beam > facts.rescorer.beam:
        raise RepositoryError(
            f"parameter beam is {choices.beam}, but the model's rescorer takes "
            f"{facts.rescorer.beam} hypotheses; choose 1 to {facts.rescorer.beam}"
        )


def parse_choices(parameters: dict[str, str]) -> Choices:
    """The values of config.pbtxt's parameters; absent ones take the default, unknown ones fail."""
    defaults: dict[str, str | int | float] = dataclasses.asdict(Choices())
    unknown = sorted(set(parameters) - set(defaults))
    if unknown:
        raise RepositoryError(
            f"config.pbtxt has unknown parameters {unknown}; known: {', '.join(defaults)}"
        )
    values = {name: _parse(name, text, defaults[name]) for name, text in parameters.items()}
    return Choices(**values)  # type: ignore[arg-type]  # the types are those of the defaults


def _parse(name: str, text: str, default: str | int | float) -> str | int | float:
    try:
        return type(default)(text)
    except ValueError as error:
        wanted = type(default).__name__
        raise RepositoryError(
            f"parameter {name} of config.pbtxt is {text!r}, expected {wanted}"
        ) from error
