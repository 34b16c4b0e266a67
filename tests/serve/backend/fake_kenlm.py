"""The part of the package kenlm that is used, over a model by definition."""

import math
from dataclasses import dataclass
from typing import Any

from tests.serve.decode.ngram_models import BOS, UNK, Reference, Words


@dataclass(unsafe_hash=True)
class State:
    history: Words = ()


class Model:
    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    def BeginSentenceWrite(self, state: Any) -> None:  # noqa: N802
        state.history = (BOS,)

    def NullContextWrite(self, state: Any) -> None:  # noqa: N802
        state.history = ()

    def BaseScore(self, before: Any, word: str, behind: Any) -> float:  # noqa: N802
        longest = self.reference.order - 1
        history = (*before.history, word)
        behind.history = history[len(history) - min(len(history), longest) :]
        return self.reference.score(before.history, word) / math.log(10)

    def __contains__(self, word: str) -> bool:
        return (word,) in self.reference.log_probs and word != UNK


class Package:
    """kenlm itself: reads every file as the same model, but none with `broken` in its name."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.State = State

    def Model(self, path: str) -> Model:  # noqa: N802
        if "broken" in path:
            raise OSError(f"Cannot read model '{path}'")
        return Model(self.reference)
