"""How a stream is cut: windows of feature frames in, chunks of encoder frames out."""

import dataclasses

SUBSAMPLING = 4  # two stride-2 convolutions: 10 ms frames in, 40 ms frames out
OVERHANG = 3  # feature frames that they read beyond the chunk


@dataclasses.dataclass(frozen=True)
class Chunking:
    """chunk: encoder frames of 40 ms a step; left_context: those before it that attention sees."""

    chunk: int = 16
    left_context: int = 64  # 2.56 s, as the checkpoint was trained

    @property
    def shift(self) -> int:
        """Feature frames from one window to the next."""
        return SUBSAMPLING * self.chunk

    @property
    def window(self) -> int:
        """Feature frames that the convolutions need for one chunk."""
        return self.shift + OVERHANG
