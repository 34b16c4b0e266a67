"""An n-gram language model beside a beam search: what it says of each hypothesis's units.

A unit is a token of the network, or a word that its tokens spell. Takes a model's automaton and
what the tokens are to it, as arrays; knows no files, and no spelling but those arrays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.ngrams import Bools, Floats, Ints, KeyIndex, Keys

SILENT = -1  # in place of a word or a kind: the token spells nothing
NO_TEXT = np.uint64(0)  # the key of an empty word
KEY_FACTOR = 0xD1342543DE82EF95
MODULUS = 2**64


class LanguageModel(Protocol):
    """An automaton over words, by ids: NgramModel, or another's.

    words: by their ids.  unk_id: of all that are not there.  start: the state in which a text
    begins.
    """

    unk_id: int
    start: int

    @property
    def words(self) -> Sequence[str]: ...

    def score(self, states: Ints, words: Ints) -> tuple[Floats, Ints]:
        """Log-probabilities of words [R] behind states [R], and the states behind those."""

    def end(self, states: Ints) -> Floats:
        """Log-probabilities that the text ends behind states [R]."""


class Units(Protocol):
    """Tokens as a language model hears them.  state_size, states: as fusion.Scorer has them."""

    state_size: int

    def start(self) -> Ints:
        """Where a text begins, int64 [state_size]."""

    def advance(self, states: Ints, tokens: Ints) -> tuple[Floats, Ints, Ints]:
        """Log-probabilities [R] of the units that end, how many do [R], and the states then."""

    def finish(self, states: Ints) -> tuple[Floats, Ints]:
        """The same at the end of the text, whose own log-probability is in it."""


class TokenUnits:
    """words: int64 [V], the word that each token is to the language model, or SILENT."""

    state_size = 1

    def __init__(self, model: LanguageModel, words: Ints) -> None:
        self._model, self._words = model, words

    def start(self) -> Ints:
        """As Units.start."""
        return np.array([self._model.start])

    def advance(self, states: Ints, tokens: Ints) -> tuple[Floats, Ints, Ints]:
        """As Units.advance; every token is a unit, and ends at once."""
        words, log_probs, moved = self._words.take(tokens), np.zeros(len(tokens)), states.copy()
        spoken = np.flatnonzero(words != SILENT)
        log_probs[spoken], moved[spoken, 0] = self._model.score(
            states[spoken, 0], words.take(spoken)
        )
        return log_probs, (words != SILENT).astype(np.int64), moved

    def finish(self, states: Ints) -> tuple[Floats, Ints]:
        """As Units.finish."""
        return self._model.end(states[:, 0]), np.zeros(len(states), np.int64)


@dataclass(frozen=True)
class Part:
    """What tokens spell up to the next space within them; all [V].

    begins: whether a space is in front.  keys, powers: of its bytes; 0 and 1 where there are none.
    """

    begins: Bools
    keys: Keys
    powers: Keys


@dataclass(frozen=True)
class Spellings:
    """parts: most vocabularies have one a token.

    kinds: int64 [V], of tokens with alike neighbours, from 1; SILENT for those that spell nothing.
    parted: bool [K + 2, K + 2], whether a space stands between tokens of two kinds, whatever they
    spell; row 0 for the first token, the last for SILENT.
    """

    parts: Sequence[Part]
    kinds: Ints
    parted: Bools


class WordUnits:
    """A word is heard once it is complete: by a token that begins another, or by the end.

    texts: the words of the language model as the tokens spell them, UTF-8, each with its id.
    """

    state_size = 3  # of the language model; key of the word so far; kind of the last token

    def __init__(
        self, model: LanguageModel, texts: Iterable[tuple[bytes, int]], spellings: Spellings
    ) -> None:
        self._model, self._spellings = model, spellings
        words = {key_of(text)[0]: word for text, word in texts}
        self._index, order = KeyIndex.sort(np.array(list(words), np.uint64).view(np.int64))
        self._words = np.append(np.array(list(words.values()), np.int64)[order], model.unk_id)

    def start(self) -> Ints:
        """As Units.start."""
        return np.array([self._model.start, 0, 0])

    def advance(self, states: Ints, tokens: Ints) -> tuple[Floats, Ints, Ints]:
        """As Units.advance."""
        moved, kinds = states.copy(), self._spellings.kinds.take(tokens)
        parted = self._spellings.parted[states[:, 2], kinds]
        moved[:, 2] = np.where(kinds == SILENT, states[:, 2], kinds)
        log_probs, num_words = np.zeros(len(tokens)), np.zeros(len(tokens), np.int64)
        for part in self._spellings.parts:
            begins = np.flatnonzero(part.begins.take(tokens) | parted)
            self._complete(begins, moved, log_probs, num_words)
            so_far = moved[:, 1].view(np.uint64)
            so_far *= part.powers.take(tokens)
            so_far += part.keys.take(tokens)
            parted = np.False_
        return log_probs, num_words, moved

    def _complete(self, rows: Ints, states: Ints, log_probs: Floats, num_words: Ints) -> None:
        """Hear the words of some rows, in place, where there is one."""
        rows = rows[states[rows, 1] != 0]
        scores, states[rows, 0] = self._model.score(states[rows, 0], self._look_up(states[rows, 1]))
        log_probs[rows] += scores
        num_words[rows] += 1
        states[rows, 1] = 0

    def _look_up(self, keys: Ints) -> Ints:
        slots, is_known = self._index.find(keys)
        return np.where(is_known, self._words.take(slots), self._model.unk_id)

    def finish(self, states: Ints) -> tuple[Floats, Ints]:
        """As Units.finish."""
        states, num_words = states.copy(), np.zeros(len(states), np.int64)
        log_probs = np.zeros(len(states))
        self._complete(np.arange(len(states)), states, log_probs, num_words)
        return log_probs + self._model.end(states[:, 0]), num_words


def key_of(text: bytes) -> tuple[int, int]:
    """A polynomial of the bytes modulo 2^64, and the power that shifts what stands before them.

    The key of two texts in a row: key * power of the second + key of the second. Two words share
    one by a chance of about 2^-64.
    """
    key, power = 0, 1
    for byte in text:
        key = (key * KEY_FACTOR + byte + 1) % MODULUS
        power = power * KEY_FACTOR % MODULUS
    return key, power


class LanguageModelScorer:
    """Each utterance's weights: alphas [N], of log-probabilities; betas [N], a bonus a unit.

    An utterance of weights 0 costs nothing and gets nothing.
    """

    def __init__(self, units: Units, alphas: Floats, betas: Floats) -> None:
        self._units, self._alphas, self._betas = units, alphas, betas
        self._is_weighted = (alphas != 0) | (betas != 0)
        self.state_size = units.state_size

    def start(self, num_rows: int) -> Ints:
        """As fusion.Scorer.start."""
        return np.tile(self._units.start(), (num_rows, 1))

    def advance(self, rows: Ints, states: Ints, tokens: Ints) -> tuple[Floats, Ints]:
        """As fusion.Scorer.advance."""
        heard = self._heard(rows)
        if heard is None:
            log_probs, num_units, moved = self._units.advance(states, tokens)
            return self._weigh(rows, log_probs, num_units), moved
        scores, moved = np.zeros(len(rows)), states.copy()
        if heard.size:
            scores[heard], moved[heard] = self.advance(
                rows.take(heard), states[heard], tokens.take(heard)
            )
        return scores, moved

    def finish(self, rows: Ints, states: Ints) -> Floats:
        """As fusion.Scorer.finish."""
        heard = self._heard(rows)
        if heard is None:
            return self._weigh(rows, *self._units.finish(states))
        scores = np.zeros(len(rows))
        if heard.size:
            scores[heard] = self.finish(rows.take(heard), states[heard])
        return scores

    def _heard(self, rows: Ints) -> Ints | None:
        """The hypotheses of utterances with weights, None for all."""
        is_heard: NDArray[np.bool_] = self._is_weighted.take(rows)
        return None if is_heard.all() else np.flatnonzero(is_heard)

    def _weigh(self, rows: Ints, log_probs: Floats, num_units: Ints) -> Floats:
        return self._alphas.take(rows) * log_probs + self._betas.take(rows) * num_units
