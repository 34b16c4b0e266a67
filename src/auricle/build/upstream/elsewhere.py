"""A project whose exporter is run by hand, once, before the build."""

from dataclasses import dataclass

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.upstream import Request
from auricle.errors import ExportError


@dataclass(frozen=True)
class Elsewhere:
    """advice: how graphs are got, a whole sentence."""

    advice: str

    @property
    def source(self) -> HuggingFace | None:
        return None

    @property
    def streaming_source(self) -> HuggingFace | None:
        return None

    def choose(self, names: list[str]) -> list[str]:
        return names

    def export(self, _request: Request) -> Checkpoint:
        raise ExportError(f"--export knows no exporter of this family; {self.advice}")
