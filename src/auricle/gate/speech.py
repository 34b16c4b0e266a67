"""The transcribed speech that models are compared on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auricle.client import scoring
from auricle.client.manifests import Utterance, find_text, read_text, read_wav_scp
from auricle.client.scoring import Score, Unit
from auricle.errors import ManifestError

MIN_UNITS = 2000  # half a point of fewer is under ten words: docs/decisions/0008-int8.md


@dataclass(frozen=True)
class Speech:
    """references: normalized, by id, of every utterance."""

    utterances: tuple[Utterance, ...]
    references: Mapping[str, str]
    unit: Unit

    @property
    def num_units(self) -> int:
        return sum(len(scoring.split(text, self.unit)) for text in self.references.values())

    def score(self, transcripts: Mapping[str, str]) -> Score:
        """Without case and punctuation, which models of one checkpoint need not share."""
        normalized = {name: scoring.normalize(text) for name, text in transcripts.items()}
        return scoring.score(self.references, normalized, self.unit)


def read_speech(folder: Path, min_units: int = MIN_UNITS) -> Speech:
    """The utterances of wav.scp that trans.txt or text knows; words or characters by language.

    ManifestError if these are fewer than min_units.
    """
    transcripts = find_text(folder)
    if transcripts is None:
        raise ManifestError(f"{folder} has neither trans.txt nor text; transcripts are needed")
    texts = read_text(transcripts)
    known = [one for one in read_wav_scp(folder / "wav.scp") if one.id in texts]
    references = {one.id: scoring.normalize(texts[one.id]) for one in known}
    speech = Speech(tuple(known), references, scoring.choose_unit(references.values()))
    if speech.num_units < min_units:
        raise ManifestError(
            f"{folder} has {speech.num_units} reference {scoring.UNITS[speech.unit]} in "
            f"{len(known)} utterances with audio and transcript; half a point of WER cannot be "
            f"judged on fewer than {min_units}: give a larger set"
        )
    return speech
