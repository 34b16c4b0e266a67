"""References and hypotheses -> alignments and error rates, over a corpus, as Kaldi counts them.

The rate of a corpus is the sum of its errors over the sum of its reference units, never the mean
of its utterances' rates. Text is compared as it is; normalize() is there for those who ask.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import kaldialign

Unit = Literal["word", "mixed", "char"]
Alignment = list[tuple[str, str]]

UNITS: Mapping[Unit, str] = {
    "word": "words",
    "mixed": "characters, other words kept whole",
    "char": "characters",
}
NOTHING = ""  # stands opposite an insertion or a deletion: no unit is empty
CJK = re.compile(  # Han with its extensions, kana, Hangul, and their iteration and length marks
    "[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af\U00020000-\U0003ffff]"
)


@dataclass(frozen=True)
class Counts:
    correct: int = 0
    insertions: int = 0
    deletions: int = 0
    substitutions: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.correct + other.correct,
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.substitutions + other.substitutions,
        )

    @property
    def errors(self) -> int:
        return self.insertions + self.deletions + self.substitutions

    @property
    def reference_units(self) -> int:
        return self.correct + self.deletions + self.substitutions


@dataclass(frozen=True)
class Scored:
    """One utterance; hypothesis is None where there is none, which counts as all deleted."""

    id: str
    reference: list[str]
    hypothesis: list[str] | None

    @property
    def alignment(self) -> Alignment:
        """Pairs of reference and hypothesis unit, NOTHING where one of them is absent."""
        return kaldialign.align(self.reference, self.hypothesis or [], NOTHING)  # type: ignore[no-any-return]

    @property
    def counts(self) -> Counts:
        return sum((_count(*pair) for pair in self.alignment), Counts())

    @property
    def is_wrong(self) -> bool:
        return self.reference != (self.hypothesis or [])


@dataclass(frozen=True)
class Score:
    """A corpus; the rates are in percent."""

    unit: Unit
    utterances: tuple[Scored, ...]
    counts: Counts

    @property
    def error_rate(self) -> float:
        return _percent(self.counts.errors, self.counts.reference_units)

    @property
    def wrong_sentences(self) -> int:
        return sum(utterance.is_wrong for utterance in self.utterances)

    @property
    def sentence_error_rate(self) -> float:
        return _percent(self.wrong_sentences, len(self.utterances))

    @property
    def absent(self) -> int:
        return sum(utterance.hypothesis is None for utterance in self.utterances)


def score(references: Mapping[str, str], hypotheses: Mapping[str, str], unit: Unit) -> Score:
    """Every reference is scored; a missing hypothesis deletes all its units (Kaldi's mode all)."""
    utterances = tuple(
        Scored(
            name, split(text, unit), split(hypotheses[name], unit) if name in hypotheses else None
        )
        for name, text in references.items()
    )
    return Score(unit, utterances, sum((one.counts for one in utterances), Counts()))


def choose_unit(texts: Iterable[str], *, characters: bool | None = None) -> Unit:
    """Mixed for Chinese, Japanese and Korean, else words; characters forces either answer."""
    if characters is False:
        return "word"
    if any(CJK.search(text) for text in texts):
        return "mixed"
    return "char" if characters else "word"


def split(text: str, unit: Unit) -> list[str]:
    """Words; every character but spaces; or CJK characters with other words kept whole."""
    if unit == "char":
        return list("".join(text.split()))
    if unit == "mixed":
        text = CJK.sub(r" \g<0> ", text)
    return text.split()


def normalize(text: str) -> str:
    """Lower case without punctuation; an apostrophe inside a word stays."""
    lowered = text.lower().replace("\u2019", "'")
    spaced = re.sub(r"(?<!\w)'|'(?!\w)", " ", lowered)
    kept = [" " if _is_punctuation(character) else character for character in spaced]
    return " ".join("".join(kept).split())


def normalize_all(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: normalize(text) for name, text in texts.items()}


def _is_punctuation(character: str) -> bool:
    return character != "'" and unicodedata.category(character).startswith("P")


def _count(reference: str, hypothesis: str) -> Counts:
    if reference == hypothesis:
        return Counts(correct=1)
    if reference == NOTHING:
        return Counts(insertions=1)
    if hypothesis == NOTHING:
        return Counts(deletions=1)
    return Counts(substitutions=1)


def _percent(part: int, whole: int) -> float:
    if not whole:
        return float("inf") if part else 0.0
    return 100.0 * part / whole
