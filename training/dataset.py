"""The training set in memory, and its batches."""

import dataclasses
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import augment
from training.encoder import Encoder
from training.features import Statistics
from training.tokens import load_bpe

MIN_FRAMES = 15
MAX_GLUED_FRAMES = 1500  # 15 s


class Spoken(Protocol):
    @property
    def features(self) -> NDArray[np.float16]: ...


SpokenT = TypeVar("SpokenT", bound=Spoken)


@dataclasses.dataclass(frozen=True)
class Example:
    """features: float16 [T, 80]; tokens: ids, empty for what is not speech."""

    features: NDArray[np.float16]
    tokens: list[int]


@dataclasses.dataclass(frozen=True)
class Batch:
    """x: normalised [N, T, 80]; tokens: int64 [N, U], U >= 1, padded with 0; lens: int64 [N]."""

    x: Tensor
    x_lens: Tensor
    tokens: Tensor
    token_lens: Tensor


def read_examples(features: Path, bpe_model: Path) -> list[Example]:
    bpe = load_bpe(bpe_model)
    stored = np.load(features)
    matrices = np.split(stored["features"], np.cumsum(stored["num_frames"])[:-1])
    tokens = bpe.encode(stored["texts"].tolist())
    return [Example(*pair) for pair in zip(matrices, tokens, strict=True)]


def set_normalization(encoder: Encoder, examples: Sequence[Example]) -> None:
    """Global mean and deviation per mel bin, from the first utterances: their order is random."""
    statistics = Statistics.of(np.concatenate([e.features for e in examples[:2000]]))
    encoder.mean.copy_(torch.from_numpy(statistics.mean))
    encoder.inverse_std.copy_(torch.from_numpy(statistics.inverse_std))


def batches(
    examples: Sequence[SpokenT], frames_per_batch: int, rng: random.Random
) -> Iterator[list[SpokenT]]:
    """One pass over the examples in random batches of similar lengths, padding counted."""
    order = sorted(examples, key=lambda example: len(example.features) + rng.uniform(-15, 15))
    groups: list[list[SpokenT]] = [[]]
    for example in order:  # nearly ascending, so the newcomer is about the longest
        if (len(groups[-1]) + 1) * len(example.features) > frames_per_batch:
            groups.append([])
        groups[-1].append(example)
    rng.shuffle(groups)
    return iter(groups)


def glue(examples: Sequence[Example], rng: random.Random) -> list[Example]:
    """The same examples joined, two to five at a time: training must meet long utterances."""
    at_once = rng.randint(2, 5)
    shuffled = rng.sample(examples, len(examples))
    glued: list[Example] = []
    parts: list[Example] = []
    for example in shuffled:
        num_frames = sum(len(part.features) for part in parts) + len(example.features)
        if parts and (len(parts) == at_once or num_frames > MAX_GLUED_FRAMES):
            glued.append(_join(parts))
            parts = []
        parts.append(example)
    return [*glued, _join(parts)]


def _join(parts: Sequence[Example]) -> Example:
    tokens = [token for part in parts for token in part.tokens]
    return Example(np.concatenate([part.features for part in parts]), tokens)


def collate(examples: Sequence[Example], encoder: Encoder, rng: random.Random | None) -> Batch:
    """Perturb, normalise, mask and pad; without rng only normalise and pad."""
    rows = []
    for example in examples:
        features = torch.from_numpy(example.features.astype(np.float32))
        if rng is not None:
            features = augment.perturb(features, rng)
        features = encoder.normalize(features)
        rows.append(features if rng is None else augment.mask(features, rng))
    x_lens = torch.tensor([max(len(row), MIN_FRAMES) for row in rows])
    x = torch.zeros(len(rows), int(x_lens.max()), rows[0].shape[1])
    token_lens = torch.tensor([len(example.tokens) for example in examples])
    tokens = torch.zeros(len(rows), max(int(token_lens.max()), 1), dtype=torch.int64)
    for index, (row, example) in enumerate(zip(rows, examples, strict=True)):
        x[index, : len(row)] = row
        tokens[index, : len(example.tokens)] = torch.tensor(example.tokens, dtype=torch.int64)
    return Batch(x, x_lens, tokens, token_lens)
