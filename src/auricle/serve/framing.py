"""A stream's samples in chunks of any size to the windows that a streaming encoder sees.

The encoder's stream is, where features are centred on their frames, some zeros or some samples
mirrored from the caller's first; then the caller's samples; at the end, zeros. A window is read at
every hop.
"""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from auricle.serve.planning import Waveform
from auricle.spec import Streaming

FRAMES_PER_SECOND = 100  # of features, whatever the family
FRAME_SECONDS = 0.025  # a feature's window, which snip_edges true wants whole
# Frames of silence that are heard behind the last of the audio: a word's last tokens come late.
# icefall's own 0.3 s (zipformer/onnx_pretrained-streaming.py); more found no further word.
TAIL_FRAMES = 30


def _no_samples() -> Waveform:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class Backlog:
    """The samples that the next windows need, from the start of the next one on.

    num_samples: that the caller sent.  num_windows: that were taken.
    is_mirrored: whether silence and the mirrored samples are in front; nothing was taken before.
    """

    pending: Waveform = field(default_factory=_no_samples)
    num_samples: int = 0
    num_windows: int = 0
    is_mirrored: bool = False


@dataclass(frozen=True)
class Framing:
    """How one model's windows lie in a stream of sample_rate Hz."""

    streaming: Streaming
    sample_rate: int

    def push(self, backlog: Backlog, samples: Waveform) -> Backlog:
        """The backlog with more of the caller's samples, which it copies."""
        pending = np.concatenate([backlog.pending, samples])
        num_samples = backlog.num_samples + len(samples)
        longer = dataclasses.replace(backlog, pending=pending, num_samples=num_samples)
        return self._mirror(longer) if len(pending) >= self.streaming.reflected else longer

    def flush(self, backlog: Backlog) -> Backlog:
        """Zeros behind the last sample, so that the windows pass over all frames and the tail."""
        mirrored = self._mirror(backlog)
        num_frames = self._num_frames(backlog.num_samples)
        heard = num_frames + TAIL_FRAMES + self.streaming.delay // self._shift
        wanted = -(-heard // self._frames_per_hop) if num_frames else 0
        missing = max(wanted - backlog.num_windows, 0)
        length = (missing - 1) * self.streaming.hop + self.streaming.window if missing else 0
        zeros = np.zeros(max(length - len(mirrored.pending), 0), np.float32)
        return dataclasses.replace(mirrored, pending=np.concatenate([mirrored.pending, zeros]))

    def is_ready(self, backlog: Backlog) -> bool:
        """Whether a window is full."""
        return backlog.is_mirrored and len(backlog.pending) >= self.streaming.window

    def window(self, backlog: Backlog) -> Waveform:
        """The next window [window] of a backlog that is ready."""
        return backlog.pending[: self.streaming.window]

    def advance(self, backlog: Backlog) -> Backlog:
        """The backlog behind its next window; the samples are not copied."""
        return dataclasses.replace(
            backlog,
            pending=backlog.pending[self.streaming.hop :],
            num_windows=backlog.num_windows + 1,
        )

    def compact(self, backlog: Backlog) -> Backlog:
        """The same, without the memory of what was passed over."""
        return dataclasses.replace(backlog, pending=backlog.pending.copy())

    def _mirror(self, backlog: Backlog) -> Backlog:
        if backlog.is_mirrored:
            return backlog
        pending = backlog.pending
        if len(pending):
            pending = np.pad(pending, (self.streaming.reflected, 0), mode="symmetric")
        pending = np.pad(pending, (self.streaming.silence, 0))
        return dataclasses.replace(backlog, pending=pending, is_mirrored=True)

    def _num_frames(self, num_samples: int) -> int:
        """Of features in so many samples."""
        if self.streaming.reflected:
            return (num_samples + self._shift // 2) // self._shift
        frame = round(FRAME_SECONDS * self.sample_rate)
        return max(1 + (num_samples - frame) // self._shift, 0)

    @property
    def _shift(self) -> int:
        return self.sample_rate // FRAMES_PER_SECOND

    @property
    def _frames_per_hop(self) -> int:
        return self.streaming.hop // self._shift
