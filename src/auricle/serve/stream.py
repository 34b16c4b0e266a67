"""What is known of one caller's stream, what comes to it, and what it says."""

from dataclasses import dataclass, field

from auricle.serve.decode.endpoint import NEVER, Rules
from auricle.serve.framing import Backlog
from auricle.serve.options import BeamOptions
from auricle.serve.planning import Waveform
from auricle.serve.runner import Array, Tensors
from auricle.serve.segments import Segment
from auricle.serve.stream_searches import Memory
from auricle.serve.tokens import GrowingText


@dataclass(frozen=True, eq=False)
class Stream:
    """A stream between two chunks; a value.

    asked: of its search, from its first chunk on.
    state: float32 [S], the encoder's; None before the first window.
    next_state: likewise, that will take over when the positions of state end.
    origin: samples of the caller before those that this state has seen or will see.
    text: so far.  stable: what of it will not change.
    num_windows: of the open segment.  kept: of each of them, what a second pass over it reads.
    closed: segments that no partial has told yet.
    """

    memory: Memory
    rules: Rules = NEVER
    asked: BeamOptions = field(default_factory=BeamOptions)
    backlog: Backlog = field(default_factory=Backlog)
    state: Array | None = None
    next_state: Array | None = None
    origin: int = 0
    text: GrowingText = field(default_factory=GrowingText)
    stable: GrowingText = field(default_factory=GrowingText)
    segment: Segment = field(default_factory=Segment)
    num_windows: int = 0
    kept: tuple[Tensors, ...] = ()
    closed: tuple[Segment, ...] = ()

    @property
    def num_samples(self) -> int:
        return self.origin + self.backlog.num_samples


@dataclass(frozen=True, eq=False)
class Chunk:
    """samples: float32 [num_samples], 0 or more.

    is_last: the stream ends behind them.  finalizes: the segment does, and the stream goes on.
    """

    samples: Waveform
    is_last: bool = False
    finalizes: bool = False


@dataclass(frozen=True)
class Partial:
    """What a stream says after a chunk.

    text: of the whole stream.  stable: the part of it that will not change.  delta: what this chunk
    added to that.
    segments: those that the chunk ended, and the open one unless the stream ended.
    seconds: of audio so far.
    """

    text: str
    stable: str
    delta: str
    segments: tuple[Segment, ...]
    seconds: float
    is_final: bool
