"""A family's whole feature extraction, as one value."""

from dataclasses import dataclass

from auricle.build.frontend.kaldi_fbank import FbankOptions, add_fbank, add_log_mel
from auricle.build.frontend.lfr import PADDING, Lfr, add_lfr
from auricle.build.frontend.nodes import Nodes
from auricle.build.frontend.padding import Padding


@dataclass(frozen=True)
class Frontend:
    """Kaldi's filterbank, and FunASR's stacking of its frames where there is any."""

    fbank: FbankOptions
    lfr: Lfr | None = None

    @property
    def sample_rate(self) -> int:
        return self.fbank.sample_rate

    @property
    def padding(self) -> Padding:
        """What the network sees behind a row."""
        return PADDING if self.lfr else Padding(self.fbank.pad_value, self.fbank.tail_frames)


def add_features(nodes: Nodes, frontend: Frontend, waveforms: str, lens: str) -> tuple[str, str]:
    """Features [N, T, F] and their lengths int64 [N], by name.

    waveforms: float32 [N, L].  lens: int64 [N], 0 <= lens <= L; the samples beyond are ignored.
    """
    if frontend.lfr is None:
        return add_fbank(nodes, frontend.fbank, waveforms, lens)
    log_mel, num_frames, longest = add_log_mel(nodes, frontend.fbank, waveforms, lens)
    return add_lfr(nodes, frontend.lfr, log_mel, num_frames, longest)
