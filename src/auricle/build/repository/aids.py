"""Files that help a search, beside the graphs in the version folder; config.pbtxt names them."""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

from auricle.errors import RepositoryError
from auricle.spec import BEAM_SEARCHES, Choices, PipelineSpec, Units

BPE_MODEL = "bpe.model"  # sentencepiece's, by which hotwords are cut into pieces


@dataclass(frozen=True)
class Aids:
    """lm: a language model, ARPA or KenLM's, of units.  hotwords: a list of phrases.

    bpe_model: the checkpoint's sentencepiece model.
    """

    lm: Path | None = None
    lm_units: Units = "auto"
    hotwords: Path | None = None
    bpe_model: Path | None = None

    @property
    def names(self) -> dict[str, str]:
        """What config.pbtxt calls the files, by parameter."""
        named = {"lm": self.lm, "hotwords": self.hotwords}
        return {key: "".join([key, *path.suffixes[-2:]]) for key, path in named.items() if path}

    def check(self, facts: PipelineSpec) -> None:
        """RepositoryError if a file is missing, or the model has no use for it."""
        for path in (self.lm, self.hotwords):
            if path and not path.is_file():
                raise RepositoryError(f"{path} is no file")
        if self.names and facts.head not in BEAM_SEARCHES:
            raise RepositoryError(
                f"--{next(iter(self.names))} helps a search with a beam, but "
                f"{facts.family.replace('_', '-')} has none; leave it out"
            )

    def add_to(self, choices: Choices, facts: PipelineSpec) -> Choices:
        """With the files' names, and a search that reads them."""
        if not self.names:
            return choices
        return dataclasses.replace(
            choices,
            decoding=BEAM_SEARCHES[facts.head],
            lm=self.names.get("lm", ""),
            lm_units=self.lm_units,
            hotwords=self.names.get("hotwords", ""),
        )

    def write(self, version: Path) -> None:
        named = [(self.lm, self.names.get("lm")), (self.hotwords, self.names.get("hotwords"))]
        for path, name in [*named, (self.bpe_model, BPE_MODEL)]:
            if path and name:
                shutil.copyfile(path, version / name)
