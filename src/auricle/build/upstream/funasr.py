"""FunASR's exporter, in an environment that is made for it at its first use."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from auricle.access import cache_folder
from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import choose_file, list_files
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.upstream import Request
from auricle.build.upstream.files import exported, link, take
from auricle.build.upstream.process import CHILD, find_python, run
from auricle.errors import ExportError

NAME = "FunASR's exporter"
REQUIREMENTS = Path(__file__).with_name("funasr.txt")
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"  # on Linux PyPI's torch brings CUDA: gigabytes
WEIGHTS = "model.pt"
NEEDED = ("config.yaml", "am.mvn")
BESIDE = ("tokens.json", "tokens.txt", "seg_dict", "*bpe.model")
MISSING = r"miss key in ckpt: ([^,]+)"  # all that FunASR says of it
DESCRIPTION = "configuration.json"  # names the files of a checkpoint, for FunASR


@dataclass(frozen=True)
class FunAsr:
    """model.pt, config.yaml, am.mvn and tokens -> model.onnx, and what some models have beside it.

    That is model_eb.onnx of hotwords, and decoder.onnx of online models.
    """

    source: HuggingFace | None
    streaming_source: HuggingFace | None = None

    def choose(self, names: list[str]) -> list[str]:
        """Weights first."""
        needed = [choose_file(names, pattern) for pattern in (WEIGHTS, *NEEDED)]
        optional = [name for name in names if _is_one_of(name, (DESCRIPTION, *BESIDE))]
        return [*needed, *optional]

    def export(self, request: Request) -> Checkpoint:
        names = self.choose(list_files(request.checkpoint.folder))
        python = _python(request)
        unknown: list[str] = []

        def show(line: str) -> None:
            request.show(line)
            unknown.extend(re.findall(MISSING, line))

        with TemporaryDirectory() as folder:
            _lay_out(request.checkpoint.folder, names, Path(folder))
            run(NAME, [python, CHILD, "funasr", folder, request.out, *request.arguments], show)
        if unknown:
            raise ExportError(
                f"{WEIGHTS} has no weights for {len(unknown)} of config.yaml's parameters, the "
                f"first is {unknown[0]!r}; FunASR would serve random ones: are the two files of "
                "one model?"
            )
        take(request, [name for name in names if _is_one_of(name, (*NEEDED, *BESIDE))])
        return exported(NAME, request)


def _lay_out(checkpoint: Path, names: list[str], folder: Path) -> None:
    """The files where FunASR looks for them: in one folder, and bpe.model by that name, too."""
    for name in names:
        link(checkpoint / name, folder / PurePosixPath(name).name)
        if name.endswith("bpe.model") and not (folder / "bpe.model").exists():
            link(checkpoint / name, folder / "bpe.model")


def _is_one_of(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(PurePosixPath(name).name, pattern) for pattern in patterns)


def _python(request: Request) -> str:
    if request.python is not None:
        return find_python(NAME, request.python, Path())
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return str(make_environment(cache_folder() / f"funasr-python{version}", request.show))


def make_environment(folder: Path, show: Callable[[str], None]) -> Path:
    """The interpreter of a virtual environment with REQUIREMENTS; one that is there is taken."""
    python, complete = folder / "bin" / "python", folder / "complete.txt"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if complete.is_file() and complete.read_text(encoding="utf-8") == wanted:
        return python
    show(f"installing FunASR into {folder}, once: about 2 GB")
    run("venv", [sys.executable, "-m", "venv", "--clear", folder], show)
    run("pip", [python, "-m", "pip", "install", *_index(), "-r", REQUIREMENTS], show)
    complete.write_text(wanted, encoding="utf-8")
    return python


def _index() -> list[str]:
    """None of ours where the user has set one."""
    if sys.platform != "linux" or {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"} & set(os.environ):
        return []
    return ["--extra-index-url", CPU_WHEELS]
