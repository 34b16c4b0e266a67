"""References and hypotheses -> how many hotwords were found, as WeNet's compute_hotwords_f1 asks.

In each text the hotwords are marked from the left, the longest first, none inside another; case and
punctuation do not count. A word is found whole or not at all, so CAT is not in CATALOGUE.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from auricle.client.scoring import normalize, split

Units = tuple[str, ...]


@dataclass(frozen=True)
class Hits:
    """Of one hotword, or of all: how often it was said, heard, and heard where it was said.

    The rates are in percent, None where there is nothing to divide by.
    """

    said: int
    heard: int
    correct: int

    @property
    def precision(self) -> float | None:
        return _percent(self.correct, self.heard)

    @property
    def recall(self) -> float | None:
        return _percent(self.correct, self.said)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall."""
        return _percent(2 * self.correct, self.said + self.heard)


@dataclass(frozen=True)
class HotwordScore:
    """A corpus: hotwords that were said or heard, in the order of their list."""

    words: Mapping[str, Hits]

    @property
    def total(self) -> Hits:
        hits = self.words.values()
        return Hits(
            sum(each.said for each in hits),
            sum(each.heard for each in hits),
            sum(each.correct for each in hits),
        )


def score_hotwords(
    references: Mapping[str, str], hypotheses: Mapping[str, str], hotwords: Iterable[str]
) -> HotwordScore:
    """Every reference counts; where there is no hypothesis, nothing was heard.

    Correct is, in each utterance, the lower of how often a word was said and heard.
    """
    names = {_units(word): word for word in hotwords}
    marker = Marker(units for units in names if units)
    said, heard, correct = Counter[Units](), Counter[Units](), Counter[Units]()
    for name, reference in references.items():
        in_reference = Counter(marker.mark(_units(reference)))
        in_hypothesis = Counter(marker.mark(_units(hypotheses.get(name, ""))))
        said += in_reference
        heard += in_hypothesis
        correct += in_reference & in_hypothesis
    return HotwordScore(
        {
            word: Hits(said[units], heard[units], correct[units])
            for units, word in names.items()
            if said[units] or heard[units]
        }
    )


class Marker:
    """Finds hotwords in a text, both as units."""

    def __init__(self, hotwords: Iterable[Units]) -> None:
        self._by_first: defaultdict[str, list[Units]] = defaultdict(list)
        for units in sorted(hotwords, key=len, reverse=True):
            self._by_first[units[0]].append(units)

    def mark(self, text: Units) -> Iterator[Units]:
        place = 0
        while place < len(text):
            candidates = self._by_first.get(text[place], [])
            found = next((one for one in candidates if text[place : place + len(one)] == one), None)
            if found:
                yield found
            place += len(found or text[place : place + 1])


def _units(text: str) -> Units:
    return tuple(split(normalize(text), "mixed"))


def _percent(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None
