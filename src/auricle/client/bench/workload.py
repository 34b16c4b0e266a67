"""What is sent: waveforms as they are, or utterances joined to lengths drawn by a seed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice

import numpy as np

from auricle import audio
from auricle.audio import Waveform
from auricle.client.manifests import Utterance, fetch

Waveforms = dict[str, Waveform]  # by name


@dataclass(frozen=True)
class Mix:
    """`count` waveforms of lengths even between `shortest_s` and `longest_s` seconds."""

    shortest_s: float
    longest_s: float
    count: int
    seed: int = 1


def parse_mix(lengths: str, count: int, seed: int) -> Mix:
    """The mix of lengths such as "2:15"; ValueError where they are no such range."""
    shortest_s, longest_s = map(float, lengths.split(":"))
    if not 0 < shortest_s <= longest_s:
        raise ValueError(f"{lengths} is no range of lengths")
    return Mix(shortest_s, longest_s, count, seed)


def read(utterances: Iterable[Utterance], sample_rate: int) -> Waveforms:
    """Decode, mix down, resample; AudioError for the first that fails."""
    return {each.id: audio.load(fetch(each.source), sample_rate) for each in utterances}


def mix(waveforms: Waveforms, wanted: Mix, sample_rate: int) -> Waveforms:
    """Join utterances in random order, and cut each to its length; the same for the same seed."""
    rng = np.random.default_rng(wanted.seed)
    seconds = rng.uniform(wanted.shortest_s, wanted.longest_s, wanted.count)
    endless = _shuffled_forever(list(waveforms.values()), rng)
    return {
        f"mix-{number}": _take(endless, int(length * sample_rate))
        for number, length in enumerate(seconds)
    }


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
