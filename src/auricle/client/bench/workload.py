"""What is sent: waveforms as they are, or utterances joined to lengths drawn by a seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice

import numpy as np

from auricle.audio import Waveform


@dataclass(frozen=True)
class Mix:
    """`count` waveforms of lengths even between `shortest_s` and `longest_s` seconds."""

    shortest_s: float
    longest_s: float
    count: int
    seed: int = 1


def mix(waveforms: Sequence[Waveform], wanted: Mix, sample_rate: int) -> list[Waveform]:
    """Join utterances in random order, and cut each to its length; the same for the same seed."""
    rng = np.random.default_rng(wanted.seed)
    seconds = rng.uniform(wanted.shortest_s, wanted.longest_s, wanted.count)
    endless = _shuffled_forever(waveforms, rng)
    return [_take(endless, int(length * sample_rate)) for length in seconds]


def order(count: int, requests: int, seed: int = 1) -> list[int]:
    """Indices of `count` waveforms to send, each pass over them in another order."""
    rng = np.random.default_rng(seed)
    passes = (rng.permutation(count).tolist() for _ in cycle([None]))
    return list(islice(chain.from_iterable(passes), requests))


def _shuffled_forever(
    waveforms: Sequence[Waveform], rng: np.random.Generator
) -> Iterator[Waveform]:
    while True:
        for index in rng.permutation(len(waveforms)):
            yield waveforms[index]


def _take(waveforms: Iterator[Waveform], num_samples: int) -> Waveform:
    parts = [np.zeros(0, np.float32)]
    while sum(map(len, parts)) < num_samples:
        parts.append(next(waveforms))
    return np.concatenate(parts)[:num_samples]
