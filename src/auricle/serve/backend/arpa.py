"""N-gram models in the ARPA format, read line by line.

As KenLM reads them: the columns of a line are parted by tabs or spaces, the back-off is the last
one and may lack, logarithms are of base 10. https://www.speech.sri.com/projects/srilm/manpages/ngram-format.5.html
"""

import math
import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from auricle.errors import RepositoryError
from auricle.serve.decode.ngrams import NgramModel, Ngrams

LN_10 = math.log(10)
COUNT = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)")
SHOWN = 80  # characters of a line that an error quotes


def read_arpa(lines: Iterable[bytes], name: str) -> NgramModel:
    """RepositoryError, with the line and what was expected there, for what is no such model.

    name: of the file, for errors.
    """
    return _Reader(lines, name).read()


@dataclass
class _Section:
    """The n-grams of one order: word ids, n to each, and logarithms of base 10."""

    order: int
    words: "array[int]" = field(default_factory=lambda: array("i"))
    log_probs: "array[float]" = field(default_factory=lambda: array("f"))
    backoffs: "array[float]" = field(default_factory=lambda: array("f"))

    def ngrams(self) -> Ngrams:
        return Ngrams(
            np.array(self.words, np.int32).reshape(-1, self.order),
            np.array(self.log_probs, np.float32) * np.float32(LN_10),
            np.array(self.backoffs, np.float32) * np.float32(LN_10),
        )


class _Reader:
    """number, line: where the file is being read."""

    def __init__(self, lines: Iterable[bytes], name: str) -> None:
        self._lines = iter(lines)
        self._name = name
        self.number = 0
        self.line = b""
        self.ids: dict[bytes, int] = {}

    def read(self) -> NgramModel:
        counts = self._read_counts()
        sections = [self._read_section(order, count) for order, count in enumerate(counts, 1)]
        if self.line != b"\\end\\":
            raise self._error("\\end\\ behind the last n-gram")
        for marker in (b"<s>", b"</s>"):
            if marker not in self.ids:
                raise RepositoryError(
                    f"language model {self._name} has no 1-gram {marker.decode()}, but the "
                    "beginning and the end of a text need <s> and </s>"
                )
        return NgramModel(self._vocabulary(), [section.ngrams() for section in sections])

    def _next(self) -> bool:
        """Go to the next line that is not empty; False at the end of the file."""
        for line in self._lines:
            self.number += 1
            self.line = line.strip()
            if self.line:
                return True
        self.line = b""
        return False

    def _read_counts(self) -> list[int]:
        """The numbers of n-grams that the head announces; then at the first section's title."""
        while self.line != b"\\data\\":
            if not self._next():
                raise self._error("\\data\\, with which an ARPA file begins")
        counts: list[int] = []
        while self._next() and not self.line.startswith(b"\\"):
            match = COUNT.fullmatch(self.line)
            if not match or int(match[1]) != len(counts) + 1:
                raise self._error(f"'ngram {len(counts) + 1}=<how many>'")
            counts.append(int(match[2]))
        if not counts:
            raise self._error("'ngram 1=<how many>'")
        return counts

    def _read_section(self, order: int, count: int) -> _Section:
        """One order's n-grams; then at the line behind them, which begins with a backslash."""
        if self.line != b"\\%d-grams:" % order:
            raise self._error(f"\\{order}-grams:")
        section = _Section(order)
        while self._next() and not self.line.startswith(b"\\"):
            self._add(section, self.line.split())
        if len(section.log_probs) != count:
            got = len(section.log_probs)
            raise self._error(f"{count} {order}-grams before it, as the head says, not {got}")
        return section

    def _add(self, section: _Section, columns: list[bytes]) -> None:
        last = section.order + 1
        if not last <= len(columns) <= last + 1:
            raise self._error(f"a log-probability, {section.order} words, and at most a back-off")
        try:
            log_prob = float(columns[0])
            backoff = float(columns[last]) if len(columns) > last else 0.0
        except ValueError:
            raise self._error("numbers around the words") from None
        if not -math.inf < log_prob <= 0 or not math.isfinite(backoff):
            raise self._error("a finite log-probability of at most 0, and a finite back-off")
        words = columns[1:last]
        if section.order == 1:
            self._add_word(words[0])
        try:
            section.words.extend([self.ids[word] for word in words])
        except KeyError as error:
            raise self._error(
                f"words that are 1-grams, and {_show(error.args[0])} is none"
            ) from None
        section.log_probs.append(log_prob)
        section.backoffs.append(backoff)

    def _add_word(self, word: bytes) -> None:
        if word in self.ids:
            raise self._error("a word that has no 1-gram yet")
        self.ids[word] = len(self.ids)

    def _vocabulary(self) -> list[str]:
        try:
            return [word.decode() for word in self.ids]
        except UnicodeDecodeError as error:
            raise RepositoryError(
                f"language model {self._name}: the word {_show(error.object)} is not UTF-8"
            ) from None

    def _error(self, expected: str) -> RepositoryError:
        got = _show(self.line) if self.line else "the end of the file"
        return RepositoryError(
            f"language model {self._name}, line {self.number}: got {got}, expected {expected}"
        )


def _show(text: bytes) -> str:
    shown = text.decode(errors="replace")
    return repr(shown if len(shown) <= SHOWN else shown[:SHOWN] + "...")
