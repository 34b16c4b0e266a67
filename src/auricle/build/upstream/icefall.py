"""icefall's export-onnx scripts, in a checkout of icefall."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import choose_file, list_files
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.upstream import Request
from auricle.build.upstream.files import exported, link, take
from auricle.build.upstream.process import CHILD, find_python, run
from auricle.errors import CheckpointError, ExportError

NAME = "icefall's exporter"
RECIPE = "egs/librispeech/ASR/zipformer"
PRETRAINED = "pretrained.pt"
EPOCH = "99"  # as icefall's own instructions call a checkpoint that was downloaded


@dataclass(frozen=True)
class Icefall:
    """pretrained.pt and tokens.txt -> ONNX files; sizes are the user's arguments, not in the file.

    script: export-onnx.py for a transducer, export-onnx-ctc.py for a CTC model.
    streaming_script: the same for streams.
    """

    script: str
    streaming_script: str
    source: HuggingFace | None = None
    streaming_source: HuggingFace | None = None

    def choose(self, names: list[str]) -> list[str]:
        """tokens.txt, bpe.model where there is one, and weights."""
        weights = [name for name in names if name.endswith(".pt")]
        if not weights:
            raise CheckpointError(f"no .pt file in the checkpoint; it holds: {', '.join(names)}")
        best = [name for name in weights if PurePosixPath(name).name == PRETRAINED]
        bpe = [name for name in names if PurePosixPath(name).name == "bpe.model"]
        return [choose_file(names, "tokens.txt"), *bpe[:1], *(best[:1] or weights)]

    def export(self, request: Request) -> Checkpoint:
        name = self.streaming_script if request.streaming else self.script
        script = _find(request.checkout, name)
        root = _root_of(script)
        python = find_python(NAME, request.python, root)
        names = self.choose(list_files(request.checkpoint.folder))
        weights = [name for name in names if name.endswith(".pt")]
        beside = [name for name in names if name not in weights]
        take(request, beside)
        run(
            NAME,
            [
                python, CHILD, "script", script,
                "--exp-dir", request.out,
                *_symbols(script, request.out),
                *_epoch(request, weights),
                *request.arguments,
            ],
            request.show,
            {"PYTHONPATH": str(root)},
        )  # fmt: skip
        return exported(NAME, request)


def _find(checkout: Path | None, script: str) -> Path:
    """The script of zipformer, or of the recipe whose folder is named."""
    if checkout is None:
        raise ExportError(
            f"{NAME} is in icefall's source: name a checkout of it with --checkout, or one of "
            f"its recipes that has {script}"
        )
    for folder in (checkout, checkout / RECIPE):
        if (folder / script).is_file():
            return folder / script
    raise ExportError(
        f"{checkout} is no checkout of icefall: it has no {RECIPE}/{script}, nor {script} itself"
    )


def _root_of(script: Path) -> Path:
    for folder in script.absolute().parents:
        if (folder / "icefall" / "__init__.py").is_file():
            return folder
    raise ExportError(f"{script} is in no checkout of icefall: no folder above it holds icefall/")


def _symbols(script: Path, folder: Path) -> list[str | Path]:
    """Scripts of 2023 read the vocabulary from bpe.model, later ones from tokens.txt."""
    if '"--tokens"' in script.read_text(encoding="utf-8"):
        return ["--tokens", folder / "tokens.txt"]
    return ["--bpe-model", folder / "bpe.model"]


def _epoch(request: Request, weights: list[str]) -> list[str]:
    """Weights where the script looks for them; a single file is epoch 99, not averaged."""
    folder = request.checkpoint.folder
    for name in weights:
        link(folder / name, request.out / PurePosixPath(name).name)
    if {"--epoch", "--iter"} & set(request.arguments):
        return []
    if len(weights) > 1:
        raise ExportError(
            f"{len(weights)} files of weights: {', '.join(weights)}; say which with -- --epoch E "
            "--avg A, as icefall does"
        )
    single = request.out / f"epoch-{EPOCH}.pt"
    if not single.exists():
        link(folder / weights[0], single)
    return ["--epoch", EPOCH, "--avg", "1", "--use-averaged-model", "0"]
