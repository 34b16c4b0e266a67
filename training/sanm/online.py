"""Paraformer as it is used online: windows of 20 frames that know nothing of each other.

FunASR exports the online encoder without memory: each step it sees 5 frames that are behind it, 10
new ones and 5 ahead, and of these the 10 in the middle count. So an utterance is trained as a batch
of such windows, whose middles are joined before the predictor's weights are summed up; a token
attends to the window in which it fires. Some batches are one window, the whole utterance.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

NEW, AROUND = 10, 5  # frames of 60 ms in a step, and as many before and after them
WINDOW = NEW + 2 * AROUND


@dataclass(frozen=True)
class Windows:
    """encoded: float [N, W, S, D], all that each window saw.  middle: its frames that count."""

    encoded: Tensor
    middle: slice

    @property
    def frames(self) -> Tensor:
        """[N, T, D], the middles side by side."""
        return self.encoded[:, :, self.middle].flatten(1, 2)

    @property
    def memory(self) -> Tensor:
        """[N, W S, D], what tokens attend to."""
        return self.encoded.flatten(1, 2)


def positions(num_frames: int, size: int) -> Tensor:
    """FunASR's sinusoids of the positions from 1 on, float32 [num_frames, size]."""
    increment = np.log(10000.0) / (size / 2 - 1)
    scales = torch.exp(torch.arange(size // 2) * -increment)
    angles = torch.arange(1, num_frames + 1).unsqueeze(1) * scales
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def embed(speech: Tensor, dim: int) -> Tensor:
    """speech: stacked and normalised [N, T, F]; as the published encoder takes it."""
    return speech * dim**0.5 + positions(*speech.shape[1:])


def cut(embedded: Tensor) -> Tensor:
    """[N, T, F] -> [N, W, 20, F]: zeros stand before a stream; all T frames are in a middle."""
    num_windows = -(-(embedded.shape[1] + AROUND) // NEW)
    behind = NEW * num_windows - embedded.shape[1]
    padded_frames = functional.pad(embedded, (0, 0, NEW, max(behind, 0)))
    return padded_frames.unfold(1, WINDOW, NEW)[:, :num_windows].transpose(2, 3)


def run_layers(encoder: nn.Module, embedded: Tensor) -> Tensor:
    """[N, S, F] -> [N, S, D]; every frame sees all others."""
    mask = torch.ones(len(embedded), 1, embedded.shape[1])
    hidden = embedded
    for layers in (encoder.encoders0, encoder.encoders):
        hidden, *_ = layers(hidden, mask, None, None, None)
    encoded: Tensor = encoder.after_norm(hidden)
    return encoded


def weigh(predictor: nn.Module, encoded: Tensor) -> Tensor:
    """The weight of each frame of [N, S, D] as part of a token, [N, S]."""
    queries = predictor.pad(encoded.transpose(1, 2))
    hidden = predictor.cif_conv1d(queries).relu().transpose(1, 2)
    weights: Tensor = predictor.cif_output(hidden).sigmoid().squeeze(2)
    return weights


def integrate(frames: Tensor, weights: Tensor, num_tokens: int) -> tuple[Tensor, Tensor]:
    """CIF: token k is the mean of the frames between the sums k and k + 1 of the weights.

    frames: [N, T, D].  weights: [N, T].  Returns [N, num_tokens, D], and the frame at which each
    token fires, int64 [N, num_tokens].
    """
    ends = weights.cumsum(1).unsqueeze(1)
    starts = ends - weights.unsqueeze(1)
    token = torch.arange(num_tokens).view(1, -1, 1)
    shares = (torch.minimum(ends, token + 1) - torch.maximum(starts, token)).clamp(min=0)
    fired = (ends < token + 1 - 1e-4).sum(2).clamp(max=frames.shape[1] - 1)
    return shares @ frames, fired


def encode(encoder: nn.Module, speech: Tensor, is_whole: bool) -> Windows:
    """speech: stacked and normalised [N, T, F], as one window or cut."""
    embedded = embed(speech, encoder.output_size())
    if is_whole:
        return Windows(run_layers(encoder, embedded).unsqueeze(1), slice(None))
    windows = cut(embedded)
    encoded = run_layers(encoder, windows.flatten(0, 1))
    return Windows(encoded.unflatten(0, windows.shape[:2]), slice(AROUND, AROUND + NEW))


def weigh_middles(predictor: nn.Module, windows: Windows) -> Tensor:
    """[N, T], of the frames that count."""
    weights = weigh(predictor, windows.encoded.flatten(0, 1))
    return weights.unflatten(0, windows.encoded.shape[:2])[:, :, windows.middle].flatten(1, 2)


def attention(fired: Tensor, num_windows: int) -> Tensor:
    """Which of a row's windows' frames a token attends to: those of the window where it fires."""
    window = (fired // NEW).unsqueeze(2)  # [N, U, 1]
    of_frame = torch.arange(num_windows * WINDOW) // WINDOW
    return window == of_frame
