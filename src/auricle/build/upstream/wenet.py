"""WeNet's export_onnx_gpu.py, in a checkout of WeNet."""

import json
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import choose_file, list_files
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.upstream import Request
from auricle.build.upstream.files import exported, take
from auricle.build.upstream.process import CHILD, find_python, run
from auricle.errors import ExportError

NAME = "WeNet's exporter"
SCRIPT = "wenet/bin/export_onnx_gpu.py"
CMVN = "global_cmvn"
SYMBOLS = ("units.txt", "words.txt", "lang_char.txt")  # newest name first


@dataclass(frozen=True)
class WeNet:
    """final.pt, train.yaml, global_cmvn and units.txt -> encoder.onnx and decoder.onnx."""

    source: HuggingFace | None = None
    streaming_source: HuggingFace | None = None

    def choose(self, names: list[str]) -> list[str]:
        """Weights first, then train.yaml; what follows depends on the age of the checkpoint."""
        weights = [name for name in names if fnmatch(PurePosixPath(name).name, "final*.pt")]
        others = [name for name in names if PurePosixPath(name).name in (CMVN, *SYMBOLS)]
        return [
            choose_file(weights or names, "*.pt"),
            choose_file(names, "train.yaml"),
            *others,
        ]

    def export(self, request: Request) -> Checkpoint:
        checkout = _check(request.checkout)
        python = find_python(NAME, request.python, checkout)
        folder = request.checkpoint.folder
        weights, config, *others = self.choose(list_files(folder))
        take(request, [config, *others])
        cmvn = next((folder / name for name in others if PurePosixPath(name).name == CMVN), None)
        readable = request.out / "train.yaml"
        if cmvn:
            text = readable.read_text(encoding="utf-8")
            readable.write_text(_say_cmvn(text, cmvn), encoding="utf-8")
        run(
            NAME,
            [
                python, CHILD, "script", checkout / SCRIPT,
                "--config", readable,
                "--checkpoint", folder / weights,
                *(("--cmvn_file", cmvn) if cmvn else ()),
                "--output_onnx_dir", request.out,
                *(("--streaming",) if request.streaming else ()),
                *request.arguments,
            ],
            request.show,
            {"PYTHONPATH": str(checkout)},
        )  # fmt: skip
        return exported(NAME, request)


def _check(checkout: Path | None) -> Path:
    if checkout is None:
        raise ExportError(f"{NAME} is in WeNet's source: name a checkout of it with --checkout")
    if not (checkout / SCRIPT).is_file():
        raise ExportError(f"{checkout} is no checkout of WeNet: it has no {SCRIPT}")
    return checkout


def _say_cmvn(config: str, cmvn: Path) -> str:
    """A train.yaml that both old and new WeNet read.

    Until December 2023 it said cmvn_file; what came after looks for cmvn_conf, and its exporter
    ends with KeyError: 'is_json_cmvn' without.
    """
    if re.search(r"^cmvn(_conf)?:", config, re.MULTILINE):
        return config
    is_json = cmvn.read_text(encoding="utf-8").lstrip().startswith("{")
    entry = {"cmvn_file": str(cmvn), "is_json_cmvn": is_json}
    return f"{config.rstrip()}\ncmvn: global_cmvn\ncmvn_conf: {json.dumps(entry)}\n"
