"""NeMo's own exporter, in an environment of the user's that has NeMo."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import choose_file, list_files
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.upstream import Request
from auricle.build.upstream.files import exported
from auricle.build.upstream.process import CHILD, find_python, run
from auricle.errors import ExportError

NAME = "NeMo's exporter"


@dataclass(frozen=True)
class Nemo:
    """A .nemo archive -> graphs, vocab.txt and model_config.yaml.

    branch: of a hybrid model, which is exported: that of CTC, or of the transducer.
    """

    branch: Literal["ctc", "rnnt"]
    source: HuggingFace | None = None
    streaming_source: HuggingFace | None = None

    def choose(self, names: list[str]) -> list[str]:
        return [choose_file(names, "*.nemo")]

    def export(self, request: Request) -> Checkpoint:
        if request.python is None:
            raise ExportError(
                f"{NAME} is in nemo_toolkit[asr]: name an interpreter that has it with --python"
            )
        python = find_python(NAME, request.python, Path())
        (archive,) = self.choose(list_files(request.checkpoint.folder))
        mode = "streaming" if request.streaming else "offline"
        path = request.checkpoint.folder / archive
        run(
            NAME,
            [python, CHILD, "nemo", path, request.out, self.branch, mode, *request.arguments],
            request.show,
        )
        return exported(NAME, request)
