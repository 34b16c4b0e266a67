"""Spans of speech, as silero-vad's own function finds them in the same probabilities."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.serve.vad import (
    NUM_WINDOWS,
    Floats,
    Span,
    SpeechOptions,
    find_speech,
    speech_probabilities,
)
from auricle.spec import Vad

silero = pytest.importorskip("silero_vad.utils_vad", reason="pip install 'auricle[dev]'")

FACTS = Vad(sample_rate=16000, window=512, context=64, state_size=4)
LEVELS = [0.0, 0.2, 0.34, 0.35, 0.36, 0.49, 0.5, 0.51, 0.9, 1.0]  # beside the two thresholds, too
# Speech and silence last: of probabilities drawn one by one, hardly any is speech for 250 ms.
RUNS = st.lists(st.tuples(st.sampled_from(LEVELS), st.integers(1, 40)), max_size=40)


def by_silero(probabilities: list[float], num_samples: int, options: SpeechOptions) -> list[Span]:
    found = silero.get_speech_timestamps_from_probs(
        probabilities, audio_length_samples=num_samples, **vars(options)
    )
    return [Span(each["start"], each["end"]) for each in found]


@given(
    RUNS,
    st.integers(0, 511),
    st.builds(
        SpeechOptions,
        threshold=st.sampled_from([0.5, 0.1, 0.9]),
        min_speech_duration_ms=st.sampled_from([250, 0, 64, 1000]),
        min_silence_duration_ms=st.sampled_from([100, 0, 32, 700]),
        speech_pad_ms=st.sampled_from([30, 0, 17.3, 400]),
        max_speech_duration_s=st.sampled_from([math.inf, 0.5, 2, 7.7]),
    ),
)
def test_spans_are_those_of_silero(
    runs: list[tuple[float, int]], missing: int, options: SpeechOptions
) -> None:
    probabilities = [level for level, count in runs for _ in range(count)]
    num_samples = max(0, 512 * len(probabilities) - missing)
    found = list(find_speech(probabilities, num_samples, FACTS, options))
    assert found == by_silero(probabilities, num_samples, options)


def test_a_span_is_known_before_the_audio_ends() -> None:
    asked = 0

    def probabilities() -> Iterator[float]:
        nonlocal asked
        for asked in range(1000):
            yield float(asked % 100 < 50)

    first = next(find_speech(probabilities(), 512_000, FACTS, SpeechOptions()))
    assert first == Span(0, 50 * 512 + 480)
    assert asked < 200


class Recorder:
    """A network whose probability is the sum of a window, and whose state counts windows."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.windows: list[Floats] = []

    def __call__(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        assert state[0, 0] == sum(self.sizes)
        self.sizes.append(len(windows))
        self.windows += list(windows)
        return windows.sum(1), state + np.float32(len(windows))


@pytest.mark.parametrize("num_samples", [1, 511, 512, 513, 512 * NUM_WINDOWS, 600_000])
def test_every_window_sees_the_samples_before_it(num_samples: int) -> None:
    waveform = np.random.default_rng(0).normal(0, 1, num_samples).astype(np.float32)
    network = Recorder()
    found = list(speech_probabilities(waveform, network, FACTS))
    count = -(-num_samples // 512)
    padded = np.pad(waveform, (64, 512 * count - num_samples))
    expected = [padded[512 * number : 512 * number + 576] for number in range(count)]
    np.testing.assert_array_equal(np.array(network.windows), np.array(expected))
    assert found == [float(window.sum()) for window in np.array(expected)]
    assert max(network.sizes) <= NUM_WINDOWS


def test_no_audio_has_no_window() -> None:
    assert not list(speech_probabilities(np.zeros(0, np.float32), Recorder(), FACTS))


def test_what_is_drawn_has_all_there_is_to_find() -> None:
    """Pauses at which speech is cut, speech without one, and speech that is too short."""
    level = [(0.9, 40), (0.1, 4), (0.9, 40), (0.0, 20), (0.9, 80), (0.0, 20), (0.9, 3), (0.0, 20)]
    probabilities = [value for value, count in level for _ in range(count)]
    options = SpeechOptions(min_silence_duration_ms=300, max_speech_duration_s=2)
    found = list(find_speech(probabilities, 512 * len(probabilities), FACTS, options))
    assert found == by_silero(probabilities, 512 * len(probabilities), options)
    assert len(found) == 4
