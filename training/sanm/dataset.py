"""English and Mandarin utterances in memory, and batches of stacked, normalised features."""

import dataclasses
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import augment
from training.features import LFR_WINDOW, NUM_MEL_BINS, Statistics, low_frame_rate
from training.mandarin import is_mandarin

MAX_JOINED_FRAMES = 1200  # 12 s
SILENCE = float(np.log(np.finfo(np.float32).eps))  # every value of a frame of zeros


@dataclasses.dataclass(frozen=True)
class Example:
    """features: float16 [T, 80], with FunASR's options; text: empty for what is not speech."""

    features: NDArray[np.float16]
    text: str


@dataclasses.dataclass(frozen=True)
class Batch:
    """speech: stacked and normalised [N, T, 560]; speech_lens: int64 [N]."""

    speech: Tensor
    speech_lens: Tensor
    texts: list[str]


@dataclasses.dataclass(frozen=True)
class Cmvn:
    """Of stacked features: y = (x + shift) * scale, each float32 [560], as in am.mvn."""

    shift: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __call__(self, stacked: NDArray[np.float32]) -> NDArray[np.float32]:
        return (stacked + self.shift) * self.scale

    @property
    def mel_mean(self) -> NDArray[np.float32]:
        """[80], of the frame in the middle of the stack."""
        return -self.shift.reshape(LFR_WINDOW, NUM_MEL_BINS)[LFR_WINDOW // 2]


def read_examples(path: Path) -> list[Example]:
    stored = np.load(path)
    matrices = np.split(stored["features"], np.cumsum(stored["num_frames"])[:-1])
    return [Example(*pair) for pair in zip(matrices, stored["texts"].tolist(), strict=True)]


def measure_cmvn(examples: Sequence[Example], num_examples: int = 3000) -> Cmvn:
    """Of every n-th utterance, so that both languages count."""
    chosen = examples[:: max(1, len(examples) // num_examples)]
    stacked = [low_frame_rate(example.features.astype(np.float32)) for example in chosen]
    statistics = Statistics.of(np.concatenate(stacked))
    shift, scale = -statistics.mean, statistics.inverse_std
    return Cmvn(shift.astype(np.float32), scale.astype(np.float32))


def glue(examples: Iterable[Example], rng: random.Random) -> list[Example]:
    """The same examples, two or three of a language joined where they stay below 12 s."""
    shuffled = list(examples)
    rng.shuffle(shuffled)
    glued: dict[bool, list[Example]] = {True: [], False: []}
    for example in shuffled:
        parts = glued[is_mandarin(example.text)]
        if parts and rng.random() < 0.6 and _length(parts[-1], example) < MAX_JOINED_FRAMES:
            parts[-1] = _join(parts[-1], example)
        else:
            parts.append(example)
    return glued[True] + glued[False]


def _length(*examples: Example) -> int:
    return sum(len(example.features) for example in examples)


def _join(first: Example, second: Example) -> Example:
    space = "" if is_mandarin(first.text) else " "
    text = f"{first.text}{space}{second.text}".strip()
    return Example(np.concatenate([first.features, second.features]), text)


def collate(
    examples: Sequence[Example], cmvn: Cmvn, rng: random.Random | None, silent_frames: int = 0
) -> Batch:
    """Perturb, mask, stack, normalise and pad; without rng only stack, normalise and pad.

    silent_frames: of silence behind the longest; the others are filled up with silence, then.
    """
    varied = [_vary(example, cmvn, rng) for example in examples]
    if silent_frames:
        longest = max(map(len, varied)) + silent_frames
        varied = [_fill(features, longest) for features in varied]
    rows = [torch.from_numpy(cmvn(low_frame_rate(features))) for features in varied]
    return Batch(
        torch.nn.utils.rnn.pad_sequence(rows, batch_first=True),
        torch.tensor([len(row) for row in rows]),
        [example.text for example in examples],
    )


def _fill(features: NDArray[np.float32], num_frames: int) -> NDArray[np.float32]:
    missing = num_frames - len(features)
    return np.pad(features, ((0, missing), (0, 0)), constant_values=SILENCE)


def _vary(example: Example, cmvn: Cmvn, rng: random.Random | None) -> NDArray[np.float32]:
    features = example.features.astype(np.float32)
    if rng is None:
        return features
    mean = torch.from_numpy(cmvn.mel_mean)
    masked = augment.mask(augment.perturb(torch.from_numpy(features), rng) - mean, rng)
    return (masked + mean).numpy()
