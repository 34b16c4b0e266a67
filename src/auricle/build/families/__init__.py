"""The families that can be built: one file each, found by its name."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import Precision
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.checkpoint.silero import Installed
from auricle.build.export.precision import Arithmetic, Bfloat
from auricle.build.export.reference import Waveform
from auricle.build.frontend.nemo_mel import Edges
from auricle.build.upstream import Exporter
from auricle.errors import UnknownFamilyError
from auricle.spec import PipelineSpec


@dataclass(frozen=True)
class Options:
    """precision: which of the checkpoint's files, or what is made of the fp32 ones.

    parity_audio: a wav or a folder of wavs.

    streaming: whether to take the streaming export of a checkpoint that has both.
    feature_edges: what NeMo's features see beyond the audio; None: as its version says.
    bfloat, calibration: as Arithmetic has them.
    """

    precision: Precision = "fp32"
    parity_audio: Path | None = None
    streaming: bool = False
    feature_edges: Edges | None = None
    bfloat: Bfloat | None = None
    calibration: Callable[[int], Iterable[Waveform]] | None = None

    @property
    def arithmetic(self) -> Arithmetic:
        return Arithmetic(self.precision, self.bfloat, self.calibration)


@dataclass(frozen=True)
class Built:
    """A model that passed its parity check, not yet written.

    graphs: role -> graph, the keys of spec.graphs.  tokens: the text of tokens.txt.
    joiner_dim: 0 where there is no joiner.  report: lines for a person.
    """

    spec: PipelineSpec
    graphs: dict[str, onnx.ModelProto]
    tokens: str
    joiner_dim: int
    vocab_size: int
    report: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """Smallest, usual and largest shapes that a compiled encoder must take."""

    seconds: tuple[float, float, float]
    batch: tuple[int, int, int]


@dataclass(frozen=True)
class Family:
    """source: the graphs that are taken where no folder is named, None if none are published.

    streaming_source: the same for streams.
    choose: the files of it that are needed.  exporter: how a PyTorch checkpoint becomes such files.
    """

    source: HuggingFace | Installed | None
    choose: Callable[[list[str], Options], list[str]]
    build: Callable[[Checkpoint, Options], Built]
    profile: Profile
    exporter: Exporter
    streaming_source: HuggingFace | None = None


def names() -> list[str]:
    """Every file here but those that families share, which begin with an underscore."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in modules if not name.startswith("_"))


def load(name: str) -> Family:
    """The family of a file name, written with '-' or '_'."""
    module_name = name.replace("-", "_")
    if module_name not in names():
        known = ", ".join(names()).replace("_", "-")
        raise UnknownFamilyError(f"unknown family {name!r}; known: {known}")
    family = importlib.import_module(f"{__name__}.{module_name}").FAMILY
    assert isinstance(family, Family), f"{module_name}.FAMILY is no Family"
    return family
