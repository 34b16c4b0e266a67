"""The upstream projects' own exporters: a PyTorch checkpoint in, the ONNX files of theirs out.

Each runs as a child in a Python of its own. Nothing of torch is imported here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.hub import HuggingFace


@dataclass(frozen=True)
class Request:
    """An export that somebody asks for.

    out: an empty folder for the ONNX files and what is built with them.  show: takes each line that
    the exporter prints.  checkout: the project's source, where its exporter is in no package.
    python: the interpreter that has what the project needs.  arguments: for the exporter, after
    our own, so that the last word is the user's.  streaming: whether to export for streams.
    """

    checkpoint: Checkpoint
    out: Path
    show: Callable[[str], None]
    checkout: Path | None = None
    python: str | None = None
    arguments: tuple[str, ...] = ()
    streaming: bool = False


class Exporter(Protocol):
    """How a family's PyTorch checkpoints become ONNX."""

    @property
    def source(self) -> HuggingFace | None:
        """What is fetched where no folder is named; None if nothing is published for this."""

    @property
    def streaming_source(self) -> HuggingFace | None:
        """The same for streams."""

    def choose(self, names: list[str]) -> list[str]:
        """The files of a PyTorch checkpoint that are needed."""

    def export(self, request: Request) -> Checkpoint:
        """The checkpoint in request.out; ExportError if the exporter fails."""
