"""A model that KenLM reads, behind the interface of the n-gram automata of serve/decode.

KenLM answers one question at a time, about objects: states are numbered here. It tells no words,
but a binary file has them at its end.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from auricle.errors import RepositoryError
from auricle.serve.backend.arpa import LN_10
from auricle.serve.decode.ngrams import Floats, Ints

MAGIC = b"mmap lm http://kheafield.com/code"
FIRST_WORD = b"<unk>\0"  # of the list at the end of a file; KenLM's id 0
NUM_STATES = 200_000  # of a generation; each has about 200 bytes
EMPTY, START = 0, 1  # numbers of the states that are never forgotten


class State(Protocol):
    """What kenlm.State is: hashable, and equal to those of the same context."""


class Kenlm(Protocol):
    """What is asked of a kenlm.Model; logarithms of base 10."""

    def BeginSentenceWrite(self, state: State) -> None: ...  # noqa: N802

    def NullContextWrite(self, state: State) -> None: ...  # noqa: N802

    def BaseScore(self, before: State, word: str, behind: State) -> float: ...  # noqa: N802

    def __contains__(self, word: str) -> bool: ...


class Module(Protocol):
    """What is asked of the package kenlm."""

    def Model(self, path: str) -> Kenlm: ...  # noqa: N802

    def State(self) -> State: ...  # noqa: N802


class KenlmModel:
    """words: by their ids, which are this class's own.

    Of the states, those that were asked about longest ago are forgotten, NUM_STATES at a time; who
    asks about one of them after all, gets the answer of the empty context.
    """

    def __init__(self, module: Module, model: Kenlm, words: Sequence[str]) -> None:
        self.words = list(words)
        self.unk_id = self.words.index("<unk>")
        self.start = START
        self._module, self._model = module, model
        empty, start = module.State(), module.State()
        model.NullContextWrite(empty)
        model.BeginSentenceWrite(start)
        self._states = _Numbers([empty, start], NUM_STATES)

    def score(self, states: Ints, words: Ints) -> tuple[Floats, Ints]:
        """Log-probabilities of words [R] behind states [R], and the states behind those."""
        questions, places = np.unique(states * len(self.words) + words, return_inverse=True)
        answers = [
            self._ask(question // len(self.words), self.words[question % len(self.words)])
            for question in questions.tolist()
        ]
        scores = np.array([score for score, _ in answers], np.float64)
        moved = np.array([number for _, number in answers], np.int64)
        return scores[places] * LN_10, moved[places]

    def end(self, states: Ints) -> Floats:
        """Log-probabilities that the text ends behind states [R]."""
        behind = self._module.State()
        asked, places = np.unique(states, return_inverse=True)
        scores = [
            self._model.BaseScore(self._states.state(number), "</s>", behind)
            for number in asked.tolist()
        ]
        return np.array(scores, np.float64)[places] * LN_10

    def _ask(self, number: int, word: str) -> tuple[float, int]:
        behind = self._module.State()
        score = self._model.BaseScore(self._states.state(number), word, behind)
        return score, self._states.number(behind)


class _Numbers:
    """States by numbers, in two generations: those in use move to the new one, the old one goes.

    kept: the states that are never forgotten, numbered from 0.
    """

    def __init__(self, kept: Sequence[State], size: int) -> None:
        self._kept = {state: number for number, state in enumerate(kept)}
        self._size = size
        self._next = len(kept)
        self._numbers: dict[State, int] = {}
        self._old_numbers: dict[State, int] = {}
        self._states = dict(enumerate(kept))
        self._old_states: dict[int, State] = {}

    def state(self, number: int) -> State:
        """EMPTY's for a number that was forgotten."""
        state = self._states.get(number)
        if state is None:
            state = self._old_states.get(number)
            if state is None:
                return self._states[EMPTY]
            self._keep(state, number)
        return state

    def number(self, state: State) -> int:
        number = self._kept.get(state, self._numbers.get(state))
        if number is None:
            number = self._old_numbers.get(state)
            if number is None:
                number = self._next
                self._next += 1
            self._keep(state, number)
        return number

    def _keep(self, state: State, number: int) -> None:
        if len(self._numbers) >= self._size:
            self._old_numbers, self._old_states = self._numbers, self._states
            self._numbers = {}
            self._states = {number: state for state, number in self._kept.items()}
        self._numbers[state] = number
        self._states[number] = state


def read_kenlm(path: Path) -> KenlmModel:
    """RepositoryError where the package kenlm is not installed, or the file has no words."""
    try:
        import kenlm
    except ImportError:
        raise RepositoryError(
            f"language model {path} is a KenLM binary, which needs the package kenlm: install it "
            "with `pip install kenlm`, or give the ARPA file instead"
        ) from None
    module: Module = kenlm
    try:
        model = module.Model(str(path))
    except OSError as error:
        raise RepositoryError(f"language model {path}: {error}") from None
    words = _words_at_the_end(path)
    if not words or not all(word in model for word in words[1:]):
        raise RepositoryError(
            f"language model {path} has no list of its words; build it with build_binary, without "
            "-i, or give the ARPA file instead"
        )
    return KenlmModel(module, model, words)


def _words_at_the_end(path: Path) -> list[str]:
    """The words, <unk> first, each with a zero byte behind it; none if they are not there."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        first = content.rfind(FIRST_WORD)
        listed = content[first:].rstrip(b"\0") if first >= 0 else b""
    return [word.decode(errors="replace") for word in listed.split(b"\0")] if listed else []
