"""The two graphs of an online Paraformer, and what its files say beside them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from auricle.build.export.graph import Graph, Port, Precision
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.lfr import Lfr
from auricle.errors import CheckpointError

# FunASR's chunk_size [5, 10, 5], in stacked frames: funasr_onnx/paraformer_online_bin.py
AROUND, NEW = 5, 10
WINDOW = AROUND + NEW + AROUND
KEPT = WINDOW - NEW  # frames that the next window sees again
MAX_TOKENS = NEW + 1  # one for each frame at most, and what is left when a stream ends
POSITIONS = 5000  # where FunASR's own Triton repository ends its table (lfr_cmvn_pe.onnx, max_len)
FIRST_CACHE = 4  # of the decoder's inputs, behind enc, enc_len, acoustic_embeds and their lengths
FIRST_NEW_CACHE = 2  # of its outputs, behind logits and sample_ids


@dataclass(frozen=True)
class Slot:
    """A part of STATE: its name, and the shape of one stream's value."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Published:
    """tail_threshold: the weight that FunASR adds behind a stream's last frame.

    positions: stacked frames that are counted before the count begins anew.
    """

    encoder: Graph
    decoder: Graph
    frontend: Frontend
    tail_threshold: float
    positions: int = POSITIONS

    @property
    def lfr(self) -> Lfr:
        assert self.frontend.lfr, "FunASR's frontends stack"
        return self.frontend.lfr

    @property
    def precision(self) -> Precision:
        """The coarser of the two graphs'."""
        ranks: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8")
        return max(self.encoder.precision, self.decoder.precision, key=ranks.index)

    @property
    def dim(self) -> int:
        """Values of an encoder's frame."""
        return self.encoder.outputs[0].size

    @property
    def num_frames(self) -> int:
        """Filterbank frames of a window."""
        return (NEW - 1) * self.lfr.shift + self.lfr.window

    @property
    def caches(self) -> list[tuple[Port, Port]]:
        """Each of the decoder's caches as it goes in and as it comes out."""
        going, coming = self.decoder.inputs[FIRST_CACHE:], self.decoder.outputs[FIRST_NEW_CACHE:]
        return list(zip(going, coming, strict=True))

    @property
    def slots(self) -> list[Slot]:
        """STATE, in order."""
        plain = [
            Slot("frames done", (1,)),
            Slot("weight of the open token", (1,)),
            Slot("sum of the open token", (self.dim,)),
            Slot("frames seen again", (KEPT, self.encoder.inputs[0].size)),
        ]
        return [*plain, *(Slot(port.name, _row(port)) for port, _ in self.caches)]

    def check(self) -> None:
        """CheckpointError where the two graphs are not of one export."""
        encoded, asked = self.dim, self.decoder.inputs[0].size
        if encoded != asked:
            raise CheckpointError(
                f"{self.encoder.path.name} gives frames of {encoded} values, but "
                f"{self.decoder.path.name} takes {asked}; are they of one checkpoint?"
            )
        for port, _ in self.caches:
            _row(port)

    def describe(self) -> Iterator[str]:
        """Both graphs and the table of what a stream carries."""
        yield self.encoder.describe()
        yield self.decoder.describe()
        width = max(len(slot.name) for slot in self.slots)
        yield f"  {'state'.ljust(width)}  values"
        for slot in self.slots:
            yield f"  {slot.name.ljust(width)}  {' x '.join(map(str, slot.shape))}"


def _row(port: Port) -> tuple[int, ...]:
    sizes = tuple(dim for dim in port.shape[1:] if isinstance(dim, int))
    if len(sizes) != len(port.shape) - 1 or isinstance(port.shape[0], int):
        raise CheckpointError(
            f"the decoder's cache {port} must leave its batch open, and only that; export it with "
            "FunASR's own exporter"
        )
    return sizes
