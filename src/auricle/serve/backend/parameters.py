"""What a request asks for beside its audio, or a sentence that says why it cannot have it."""

from collections.abc import Mapping, Sequence
from typing import get_args

from auricle import wire
from auricle.errors import InvalidRequestError
from auricle.serve.backend.beam_parameters import BeamMenu
from auricle.serve.backend.hotword_lists import read_words
from auricle.serve.backend.itn_parameters import ItnMenu
from auricle.serve.backend.outcomes import Unfit, UnfitRequestError
from auricle.serve.backend.vad_parameters import SpeechMenu
from auricle.serve.backend.values import Value
from auricle.serve.hotwords import HotwordTokens
from auricle.serve.options import DecodingOptions, HotwordIds, default_options
from auricle.serve.quoting import quote
from auricle.serve.scorers import Aids, Phrases
from auricle.spec import DECODINGS, Choices, Decoding, PipelineSpec

KNOWN = (
    wire.SAMPLE_RATE,
    wire.ASR_DECODING,
    wire.ASR_LANGUAGE,
    wire.ASR_TEXT_NORM,
    wire.ASR_HOTWORDS,
    wire.ASR_ITN,
)
MAX_NAMES = 3  # of unknown parameters that a sentence echoes


class Menu:
    """What a model can be asked for."""

    def __init__(
        self,
        spec: PipelineSpec,
        choices: Choices,
        symbols: Sequence[str],
        phrases: Phrases | None = None,
    ) -> None:
        """phrases: of a model that searches for hotwords."""
        self.spec = spec
        self.defaults = Aids(phrases=phrases).add_to(default_options(spec, choices))
        self.beam = BeamMenu(spec, choices, self.defaults.beam, phrases)
        self._speech = SpeechMenu(spec, choices)
        self._itn = ItnMenu(spec, choices.itn)
        facts = spec.hotwords
        self._hotwords = HotwordTokens(symbols, spec.unk_id, facts) if facts else None

    @property
    def known(self) -> tuple[str, ...]:
        """The names of its parameters."""
        return (*KNOWN, *self.beam.known, *self._speech.known)

    def read(self, parameters: Mapping[str, Value]) -> DecodingOptions:
        """The options of a request; UnfitRequestError if it asks for what the model has not.

        parameters: all of the request's; those that do not begin with asr_ are other people's.
        """
        check_names(parameters, self.known)
        check_sample_rate(parameters.get(wire.SAMPLE_RATE), self.spec.sample_rate)
        asked = self._read_decoding(parameters.get(wire.ASR_DECODING))
        return DecodingOptions(
            self.beam.choose(asked, self.defaults.decoding, parameters),
            self._read_language(parameters.get(wire.ASR_LANGUAGE)),
            self._read_text_norm(parameters.get(wire.ASR_TEXT_NORM)),
            self._read_hotwords(parameters.get(wire.ASR_HOTWORDS)),
            speech=self._speech.read(parameters),
            beam=self.beam.read(parameters),
            itn=self._itn.read(parameters.get(wire.ASR_ITN)),
        )

    def _read_language(self, asked: Value) -> int | None:
        known = self.spec.prompt.languages if self.spec.prompt else {}
        return self.defaults.language if asked is None else number_of("language", asked, known)

    def _read_text_norm(self, asked: Value) -> int | None:
        known = self.spec.prompt.text_norms if self.spec.prompt else {}
        return self.defaults.text_norm if asked is None else number_of("text_norm", asked, known)

    def _read_decoding(self, asked: Value) -> Decoding | None:
        known = DECODINGS[self.spec.head]
        if asked is None:
            return None
        if asked in known:
            return known[known.index(asked)]
        what = "is not a decoding of this model" if asked in get_args(Decoding) else "is unknown"
        raise UnfitRequestError(
            "decoding", f"{wire.ASR_DECODING} {quote(asked)} {what}; it knows {', '.join(known)}"
        )

    def _read_hotwords(self, asked: Value) -> HotwordIds:
        if asked is None or str(asked).strip() in ("", "[]"):
            return ()
        if self.beam.hears_hotwords:
            return ()  # which its search hears, not its network
        if self._hotwords is None:
            raise UnfitRequestError(
                "hotwords",
                f"{wire.ASR_HOTWORDS} is {quote(asked)}, but this model takes none; leave it out",
            )
        words = read_words(asked)
        try:
            return tuple(map(self._hotwords.encode, words))
        except InvalidRequestError as error:
            raise UnfitRequestError("hotwords", f"{wire.ASR_HOTWORDS}: {error}") from error


def check_names(parameters: Mapping[str, Value], known: Sequence[str]) -> None:
    """UnfitRequestError for a parameter of ours that is not known."""
    unknown = sorted({name for name in parameters if name.startswith("asr_")} - set(known))
    if unknown:
        names = ", ".join(map(quote, unknown[:MAX_NAMES]))
        more = f" and {len(unknown) - MAX_NAMES} more" if len(unknown) > MAX_NAMES else ""
        raise UnfitRequestError(
            "unknown_parameter",
            f"unknown request parameters [{names}]{more}; this model knows {', '.join(known)}",
        )


def check_sample_rate(asked: Value, wanted: int) -> None:
    """UnfitRequestError if the rate, a number of any type or its text, is not the model's."""
    rate = wanted if asked is None else asked
    if str(rate).removesuffix(".0") != str(wanted):
        raise UnfitRequestError(
            "sample_rate",
            f"{wire.SAMPLE_RATE} is {quote(rate)} Hz, but this model needs {wanted} Hz; "
            "resample before sending: the server never does",
        )


def number_of(kind: Unfit, asked: Value, known: Mapping[str, int]) -> int:
    """The number of a name in any case; a number, or its text, is itself."""
    if not known:
        raise UnfitRequestError(
            kind, f"{kind} {quote(asked)} is asked for, but this model takes none; leave it out"
        )
    numbers = {name.casefold(): number for name, number in known.items()}
    numbers |= {str(number): number for number in known.values()}
    number = numbers.get(str(asked).casefold().removesuffix(".0"))
    if number is None or isinstance(asked, bool):
        names = ", ".join(f"{name} ({number})" for name, number in known.items())
        raise UnfitRequestError(kind, f"unknown {kind} {quote(asked)}; this model knows {names}")
    return number
