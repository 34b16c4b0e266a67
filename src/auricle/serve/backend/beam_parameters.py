"""What a request asks of a search with a beam, or a sentence that says why it cannot have it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from auricle import wire
from auricle.errors import InvalidRequestError
from auricle.hotword_files import Hotword
from auricle.serve.backend.aids import with_scores
from auricle.serve.backend.hotword_lists import EMPTY, read_hotwords
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.values import Value, read_count, read_number
from auricle.serve.decode.context_graph import ContextGraph
from auricle.serve.options import BeamOptions
from auricle.serve.quoting import quote
from auricle.serve.scorers import Phrases
from auricle.spec import BEAM_SEARCHES, Choices, Decoding, PipelineSpec

MAX_SCORE = 100.0  # of a token, and of a word of the language model: WeNet's hotwords have 100
MAX_WEIGHT = 10.0

BIASES = (wire.ASR_HOTWORDS, wire.ASR_HOTWORDS_SCORE)
WEIGHTS = (wire.ASR_LM_WEIGHT, wire.ASR_LM_WORD_BONUS)


class BeamMenu:
    """defaults: what a request gets that asks for nothing.  phrases: to token ids."""

    def __init__(
        self,
        spec: PipelineSpec,
        choices: Choices,
        defaults: BeamOptions,
        phrases: Phrases | None,
    ) -> None:
        self.spec, self.choices, self.defaults, self._phrases = spec, choices, defaults, phrases
        self.decoding = BEAM_SEARCHES.get(spec.head)
        self.max_beam = min(choices.max_beam, spec.rescorer.beam if spec.rescorer else 1 << 30)

    @property
    def hears_hotwords(self) -> bool:
        return self._phrases is not None

    @property
    def known(self) -> tuple[str, ...]:
        """The names of its parameters."""
        if self.decoding is None:
            return (wire.ASR_NBEST,)
        is_transducer = self.decoding == "modified_beam_search"
        penalty = (wire.ASR_BLANK_PENALTY,) if is_transducer else ()
        return (wire.ASR_NBEST, wire.ASR_BEAM, *penalty, *WEIGHTS, wire.ASR_HOTWORDS_SCORE)

    def choose(self, asked: Decoding | None, default: Decoding, parameters: Mapping[str, Value]
               ) -> Decoding:  # fmt: skip
        """A decoding with a beam where something is asked for that only a beam can give."""
        needs = (wire.ASR_BEAM, wire.ASR_BLANK_PENALTY, *WEIGHTS, *BIASES)
        reasons = [name for name in needs if not _is_nothing(parameters.get(name))]
        if asked == "greedy_search" and self.decoding and reasons:
            raise UnfitRequestError(
                "decoding",
                f"{reasons[0]} is asked for, but so is {wire.ASR_DECODING} greedy_search, which "
                f"has no use for it; ask for {self.decoding}, or leave one of them out",
            )
        if asked or default != "greedy_search" or not self.decoding:
            return asked or default
        return self.decoding if reasons or wire.ASR_NBEST in parameters else default

    def read(self, parameters: Mapping[str, Value]) -> BeamOptions:
        """parameters: all of the request's."""
        found = self.defaults
        if (asked := parameters.get(wire.ASR_NBEST)) is not None:
            most = self.choices.max_nbest
            found = replace(found, nbest=read_count("beam", wire.ASR_NBEST, asked, most))
        if (asked := parameters.get(wire.ASR_BEAM)) is not None:
            found = replace(found, width=read_count("beam", wire.ASR_BEAM, asked, self.max_beam))
        if (asked := parameters.get(wire.ASR_BLANK_PENALTY)) is not None:
            penalty = read_number("beam", wire.ASR_BLANK_PENALTY, asked, (0, MAX_SCORE))
            found = replace(found, blank_penalty=penalty)
        found = self._weigh(found, parameters)
        return replace(found, hotwords=self._read_hotwords(parameters))

    def _weigh(self, found: BeamOptions, parameters: Mapping[str, Value]) -> BeamOptions:
        """With the language model's weight and bonus."""
        asked = [name for name in WEIGHTS if parameters.get(name) is not None]
        if asked and not self.choices.lm:
            raise UnfitRequestError(
                "lm",
                f"{asked[0]} is {quote(parameters[asked[0]])}, but this model has no language "
                "model; build it with --lm FILE, or name a file as lm in config.pbtxt",
            )
        for name in asked:
            least = 0.0 if name == wire.ASR_LM_WEIGHT else -MAX_SCORE
            most = MAX_WEIGHT if name == wire.ASR_LM_WEIGHT else MAX_SCORE
            number = read_number("lm", name, parameters[name], (least, most))
            field = "lm_weight" if name == wire.ASR_LM_WEIGHT else "lm_word_bonus"
            found = replace(found, **{field: number})  # type: ignore[arg-type]
        return found

    def _read_hotwords(self, parameters: Mapping[str, Value]) -> ContextGraph | None:
        """The request's own, with those of config.pbtxt."""
        if self._phrases is None:
            return self.defaults.hotwords
        asked = read_hotwords(parameters.get(wire.ASR_HOTWORDS))
        _check_scores(asked)
        score, number = parameters.get(wire.ASR_HOTWORDS_SCORE), None
        if score is not None:
            bounds = (-MAX_SCORE, MAX_SCORE)
            number = read_number("hotwords", wire.ASR_HOTWORDS_SCORE, score, bounds)
        if not asked and number is None:
            return self.defaults.hotwords
        try:
            return self._phrases.compile(with_scores((*self._phrases.given, *asked), number))
        except InvalidRequestError as error:
            raise UnfitRequestError("hotwords", f"{wire.ASR_HOTWORDS}: {error}") from error


def _is_nothing(asked: Value) -> bool:
    return asked is None or str(asked).strip() in EMPTY


def _check_scores(hotwords: Sequence[Hotword]) -> None:
    for each in hotwords:
        if each.score is not None and abs(each.score) > MAX_SCORE:
            raise UnfitRequestError(
                "hotwords",
                f"{wire.ASR_HOTWORDS}: the score of {quote(each.phrase)} is {each.score:g}; give "
                f"a number from {-MAX_SCORE:g} to {MAX_SCORE:g}",
            )
