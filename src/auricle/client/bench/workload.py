"""What is sent: waveforms as they are, or utterances joined to lengths drawn by a seed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice

import numpy as np

from auricle import audio
from auricle.audio import Waveform
from auricle.client.manifests import Utterance, fetch

Waveforms = dict[str, Waveform]  # by name
SILENCE_S = (0.4, 1.5)  # between the utterances of a recording


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


@dataclass(frozen=True)
class Recording:
    """names: of the utterances said, in order.  starts: the sample at which each begins."""

    waveform: Waveform
    names: list[str]
    starts: list[int]


def record(waveforms: Waveforms, seconds: float, sample_rate: int, seed: int = 1) -> Recording:
    """Utterances in random order, again and again, between silences, for so many seconds."""
    rng = np.random.default_rng(seed)
    parts: list[Waveform] = []
    names: list[str] = []
    starts: list[int] = []
    length = 0
    while length < seconds * sample_rate:
        for index in rng.permutation(len(waveforms)):
            name = list(waveforms)[index]
            silence = np.zeros(int(rng.uniform(*SILENCE_S) * sample_rate), np.float32)
            names.append(name)
            starts.append(length + len(silence))
            parts += [silence, waveforms[name]]
            length = starts[-1] + len(waveforms[name])
            if length >= seconds * sample_rate:
                break
    return Recording(np.concatenate(parts), names, starts)


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
