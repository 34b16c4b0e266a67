"""What is added to the scores of hypotheses: each utterance's own hotwords and weights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auricle.hotword_files import Hotword
from auricle.serve.decode.context_graph import ContextGraph, HotwordScorer
from auricle.serve.decode.fusion import Scorer, Sum
from auricle.serve.decode.language_model import LanguageModelScorer, Units
from auricle.serve.hotword_graphs import HotwordGraphs
from auricle.serve.options import BeamOptions, DecodingOptions


@dataclass(frozen=True)
class Phrases:
    """given: the hotwords of every request.  compile: some of them, as a beam hears them."""

    given: tuple[Hotword, ...]
    compile: HotwordGraphs


@dataclass(frozen=True)
class Aids:
    """What config.pbtxt gives a model's searches beside the network.

    language_model: None where it names none.  phrases: None where no search could hear them.
    """

    language_model: Units | None = None
    phrases: Phrases | None = None

    @property
    def hotwords(self) -> ContextGraph | None:
        """Those of every request."""
        return self.phrases.compile(self.phrases.given) if self.phrases else None

    def add_to(self, options: DecodingOptions) -> DecodingOptions:
        return replace(options, beam=replace(options.beam, hotwords=self.hotwords))


class Scorers:
    """language_model: of the model, which any utterance may weigh; None where it has none."""

    def __init__(self, language_model: Units | None = None) -> None:
        self.language_model = language_model

    def create(self, asked: Sequence[BeamOptions]) -> Scorer | None:
        """None where nobody asks for any."""
        scorers: list[Scorer] = []
        if any(each.lm_weight for each in asked):
            scorers += self._language_models(asked)
        if any(each.hotwords for each in asked):
            scorers.append(HotwordScorer([each.hotwords for each in asked]))
        return Sum(scorers) if len(scorers) > 1 else next(iter(scorers), None)

    def of_streams(self, asked: Sequence[BeamOptions]) -> Scorer:
        """With every part, whoever asks: a stream's state is read beside any other stream's."""
        return Sum(
            [*self._language_models(asked), HotwordScorer([each.hotwords for each in asked])]
        )

    def _language_models(self, asked: Sequence[BeamOptions]) -> list[Scorer]:
        """One, if the model has any."""
        if self.language_model is None:
            return []
        weights = np.array([each.lm_weight for each in asked])
        bonuses = np.array([each.lm_word_bonus if each.lm_weight else 0.0 for each in asked])
        return [LanguageModelScorer(self.language_model, weights, bonuses)]
