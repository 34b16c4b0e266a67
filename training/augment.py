"""What training does to features on the way in, anew every time.

Level, noise, tempo and mel shift, then SpecAugment. Pitch and formants vary since synthesis, by
speed perturbation (utterances.py).
"""

import random

import torch
from torch import Tensor

LEVEL_NATS = 1.5  # of log power, 6.5 dB
MEL_WARP = 0.08  # vocal tract lengths within 8 %
TEMPO = 0.12
NUM_MASKS = 2
MAX_MASKED_BINS = 12
MAX_MASKED_FRAMES = 14


def perturb(features: Tensor, rng: random.Random) -> Tensor:
    """features: float32 [T, F], raw log-mel energies. Returns [T2, F]."""
    if rng.random() < 0.4:
        features = stretch(features, 0, 1 + rng.uniform(-TEMPO, TEMPO))
    if rng.random() < 0.6:
        features = stretch(features, 1, 1 + rng.uniform(-MEL_WARP, MEL_WARP))
    if rng.random() < 0.35:
        features = add_noise(features, rng)
    return features + rng.uniform(-LEVEL_NATS, LEVEL_NATS)


def stretch(features: Tensor, axis: int, factor: float) -> Tensor:
    """Resample along an axis, linearly; time (0) changes its length, mel (1) keeps it."""
    size = features.shape[axis]
    length = max(round(size * factor), 1) if axis == 0 else size
    position = (torch.arange(length) / factor).clamp(max=size - 1)
    below = position.floor().long()
    weight = position - below
    weight = weight.unsqueeze(1) if axis == 0 else weight
    above = (below + 1).clamp(max=size - 1)
    return torch.lerp(
        features.index_select(axis, below), features.index_select(axis, above), weight
    )


def add_noise(features: Tensor, rng: random.Random) -> Tensor:
    """Stationary noise with a random spectral tilt, 0 to 30 dB below the mean level."""
    level = float(features.mean()) - rng.uniform(0, 7)
    tilt = torch.linspace(-1, 1, features.shape[1]) * rng.uniform(-2, 2)
    return torch.logaddexp(features, level + tilt + 0.5 * torch.randn_like(features))


def mask(features: Tensor, rng: random.Random) -> Tensor:
    """SpecAugment on normalised features, in place: bands and spans become the mean, 0."""
    num_frames, num_bins = features.shape
    for _ in range(NUM_MASKS):
        bins = rng.randint(0, MAX_MASKED_BINS)
        start = rng.randint(0, num_bins - bins)
        features[:, start : start + bins] = 0
        frames = rng.randint(0, min(MAX_MASKED_FRAMES, num_frames // 10))
        start = rng.randint(0, num_frames - frames)
        features[start : start + frames] = 0
    return features
