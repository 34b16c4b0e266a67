"""Where somebody speaks: a waveform to probabilities, and these to spans of samples.

The network is a callable, and everything comes as it is asked for: a long recording is never held
in more than one copy, and its first spans are known before its last windows are run.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from auricle.spec import Vad

Floats = NDArray[np.float32]
# Windows [T, context + window] and the state before them -> probabilities [T], the state behind.
Network = Callable[[Floats, Floats], tuple[Floats, Floats]]

NUM_WINDOWS = 512  # of one run: 16 s, 1.2 MB
# Of silero_vad/utils_vad.py, get_speech_timestamps_from_probs (silero-vad 6.2.3).
HYSTERESIS = 0.15  # speech ends below the threshold by so much, and never below LOWEST
LOWEST = 0.01
SILENCE_TO_CUT_MS = 98  # a silence longer than this is a place to cut speech that lasts too long


class Span(NamedTuple):
    """Samples from the first on, up to the last, which does not count."""

    start: int
    end: int


@dataclass(frozen=True)
class SpeechOptions:
    """As get_speech_timestamps of silero-vad has them, by the same names.

    threshold: the probability from which a window is speech.
    min_speech_duration_ms: what is shorter is none.  min_silence_duration_ms: what is shorter ends
    no speech.  speech_pad_ms: added at both ends.  max_speech_duration_s: longer speech is cut at
    its longest silence, or where it becomes too long if it has none.
    """

    threshold: float = 0.5
    min_speech_duration_ms: float = 250
    min_silence_duration_ms: float = 100
    speech_pad_ms: float = 30
    max_speech_duration_s: float = math.inf


def speech_probabilities(waveform: Floats, network: Network, facts: Vad) -> Iterator[float]:
    """One for each window; the last is filled up with zeros."""
    state = np.zeros((2, facts.state_size), np.float32)
    size = NUM_WINDOWS * facts.window
    for start in range(0, len(waveform), size):
        probabilities, state = network(_windows(waveform, start, start + size, facts), state)
        yield from probabilities.tolist()


def _windows(waveform: Floats, start: int, end: int, facts: Vad) -> Floats:
    """Each with the samples before it, [T, context + window]; zeros before the first of all."""
    end = min(end, len(waveform))
    count = -(-(end - start) // facts.window)
    samples = np.zeros(facts.context + count * facts.window, np.float32)
    first = max(0, start - facts.context)
    at = facts.context - (start - first)
    samples[at : at + end - first] = waveform[first:end]
    width = facts.context + facts.window
    windows: Floats = np.lib.stride_tricks.sliding_window_view(samples, width)[:: facts.window]
    return np.ascontiguousarray(windows)


def find_speech(
    probabilities: Iterable[float], num_samples: int, facts: Vad, options: SpeechOptions
) -> Iterator[Span]:
    """Spans of speech in order, as silero-vad's get_speech_timestamps finds them."""
    pad = facts.sample_rate * options.speech_pad_ms / 1000
    waiting: Span | None = None
    for span in _Finder(facts, options).find(probabilities, num_samples):
        if waiting is None:
            waiting = Span(int(max(0, span.start - pad)), span.end)
            continue
        silence = span.start - waiting.end
        shared = silence // 2 if silence < 2 * pad else pad
        end = waiting.end + shared if silence < 2 * pad else min(num_samples, waiting.end + pad)
        yield Span(waiting.start, int(end))
        waiting = Span(int(max(0, span.start - shared)), span.end)
    if waiting is not None:
        yield Span(waiting.start, int(min(num_samples, waiting.end + pad)))


class _Finder:
    """Speech begins with a window above the threshold, and ends with a silence that lasts."""

    def __init__(self, facts: Vad, options: SpeechOptions) -> None:
        rate = facts.sample_rate
        self._window = facts.window
        self._enter = options.threshold
        self._leave = max(options.threshold - HYSTERESIS, LOWEST)
        self._min_speech = rate * options.min_speech_duration_ms / 1000
        self._min_silence = rate * options.min_silence_duration_ms / 1000
        self._cut_silence = rate * SILENCE_TO_CUT_MS / 1000
        padding = 2 * rate * options.speech_pad_ms / 1000
        self._max_speech = rate * options.max_speech_duration_s - facts.window - padding
        self._start: int | None = None  # of the speech that is open
        self._silence: int | None = None  # since when it pauses
        self._pauses: list[Span] = []  # those that it has had

    def find(self, probabilities: Iterable[float], num_samples: int) -> Iterator[Span]:
        for number, probability in enumerate(probabilities):
            yield from self._step(number * self._window, probability)
        if self._start is not None and num_samples - self._start > self._min_speech:
            yield Span(self._start, num_samples)

    def _step(self, now: int, probability: float) -> Iterator[Span]:
        """now: the first sample of the window."""
        if probability >= self._enter:
            self._end_pause(now)
            if self._start is None:
                self._start = now
                return
        if self._start is not None and now - self._start > self._max_speech:
            yield self._cut(now)
        if self._start is not None and probability < self._leave:
            yield from self._pause(now)

    def _end_pause(self, now: int) -> None:
        if self._silence is not None and now - self._silence > self._cut_silence:
            self._pauses.append(Span(self._silence, now))
        self._silence = None

    def _cut(self, now: int) -> Span:
        """What is too long: up to its longest pause, behind which it goes on."""
        assert self._start is not None, "only open speech is too long"
        start, self._silence = self._start, None
        if not self._pauses:
            self._start = None
            return Span(start, now)
        pause = max(self._pauses, key=lambda each: each.end - each.start)
        self._start, self._pauses = pause.end, []
        return Span(start, pause.start)

    def _pause(self, now: int) -> Iterator[Span]:
        """A silence, which ends the speech once it is long enough."""
        assert self._start is not None, "only open speech pauses"
        self._silence = now if self._silence is None else self._silence
        if now - self._silence < self._min_silence:
            return
        speech = Span(self._start, self._silence)
        self._start, self._silence, self._pauses = None, None, []
        if speech.end - speech.start > self._min_speech:
            yield speech
