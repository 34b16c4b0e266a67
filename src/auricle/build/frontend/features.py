"""A family's whole feature extraction, as one value."""

from dataclasses import dataclass

from auricle.build.frontend.kaldi_fbank import (
    FbankOptions,
    add_fbank,
    add_log_mel,
    add_window_fbank,
)
from auricle.build.frontend.lfr import PADDING, Lfr, add_lfr
from auricle.build.frontend.nemo_mel import NemoMel, add_nemo_mel, add_window_nemo_mel
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.padding import Padding


@dataclass(frozen=True)
class Frontend:
    """Kaldi's filterbank, and FunASR's stacking of its frames where there is any."""

    fbank: FbankOptions
    lfr: Lfr | None = None

    reference = "kaldi-native-fbank's features"
    silence = 0  # zeros in front of a stream

    @property
    def sample_rate(self) -> int:
        return self.fbank.sample_rate

    @property
    def frame_shift(self) -> int:
        """Samples."""
        return self.fbank.frame_shift

    @property
    def reflected(self) -> int:
        """Samples in front of a stream, mirrored from it."""
        return self.fbank.left_edge

    def num_samples(self, num_frames: int) -> int:
        """Samples under so many frames side by side."""
        return self.fbank.num_samples(num_frames)

    @property
    def padding(self) -> Padding:
        """What the network sees behind a row."""
        return PADDING if self.lfr else Padding(self.fbank.pad_value, self.fbank.tail_frames)


AnyFrontend = Frontend | NemoMel


def add_features(nodes: Nodes, frontend: AnyFrontend, waveforms: str, lens: str) -> tuple[str, str]:
    """Features [N, T, F] and their lengths int64 [N], by name.

    waveforms: float32 [N, L].  lens: int64 [N], 0 <= lens <= L; the samples beyond are ignored.
    """
    if isinstance(frontend, NemoMel):
        return add_nemo_mel(nodes, frontend, waveforms, lens)
    if frontend.lfr is None:
        return add_fbank(nodes, frontend.fbank, waveforms, lens)
    log_mel, num_frames, longest = add_log_mel(nodes, frontend.fbank, waveforms, lens)
    return add_lfr(nodes, frontend.lfr, log_mel, num_frames, longest)


def add_window_features(nodes: Nodes, frontend: AnyFrontend, window: str, num_frames: int) -> str:
    """Features float32 [N, num_frames, F] of a stream's samples, not stacked: nothing is padded.

    window: float32 [N, frontend.num_samples(num_frames)].
    """
    if isinstance(frontend, NemoMel):
        return add_window_nemo_mel(nodes, frontend, window, num_frames)
    return add_window_fbank(nodes, frontend.fbank, window, num_frames)
