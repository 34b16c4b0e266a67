import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.serve.framing import TAIL_FRAMES, Backlog, Framing
from auricle.serve.planning import Waveform
from auricle.spec import Streaming

MIRRORED = Framing(Streaming(window=880, hop=320, reflected=120, state_size=1, num_frames=1), 16000)
PLAIN = Framing(Streaming(window=720, hop=640, reflected=0, state_size=1, num_frames=2), 16000)
FRAMINGS = pytest.mark.parametrize("framing", [MIRRORED, PLAIN], ids=["mirrored", "plain"])


def take(framing: Framing, backlog: Backlog) -> tuple[list[Waveform], Backlog]:
    """All windows that are full."""
    windows = []
    while framing.is_ready(backlog):
        windows.append(framing.window(backlog))
        backlog = framing.advance(backlog)
    return windows, backlog


def frame(framing: Framing, chunks: list[Waveform]) -> list[list[float]]:
    windows, backlog = [], Backlog()
    for chunk in chunks:
        taken, backlog = take(framing, framing.push(backlog, chunk))
        windows += taken
    taken, _ = take(framing, framing.flush(backlog))
    return [window.tolist() for window in windows + taken]


def ramp(num_samples: int) -> Waveform:
    return np.arange(1, num_samples + 1, dtype=np.float32)


@FRAMINGS
@given(st.lists(st.integers(0, 2500), max_size=8))
def test_any_chunking_gives_the_same_windows(framing: Framing, lens: list[int]) -> None:
    waveform = ramp(sum(lens))
    bounds = list(itertools.accumulate(lens, initial=0))
    chunks = [waveform[start:end] for start, end in itertools.pairwise(bounds)]
    assert frame(framing, chunks) == frame(framing, [waveform])


@FRAMINGS
@given(st.integers(0, 5000))
def test_windows_lie_a_hop_apart_on_the_audio_between_its_mirror_and_zeros(
    framing: Framing, num_samples: int
) -> None:
    facts, waveform = framing.streaming, ramp(num_samples)
    mirror = waveform[: facts.reflected][::-1] if num_samples >= facts.reflected else None
    for index, window in enumerate(frame(framing, [waveform])):
        if mirror is None:
            break
        zeros = np.zeros(facts.window + TAIL_FRAMES * 160, np.float32)
        stream = np.concatenate([mirror, waveform, zeros])
        start = index * facts.hop
        assert window == stream[start : start + facts.window].tolist()


@FRAMINGS
@given(st.integers(0, 5000))
def test_every_frame_and_the_tail_are_passed_over_and_no_window_is_spare(
    framing: Framing, num_samples: int
) -> None:
    facts = framing.streaming
    # kaldi-native-fbank's NumFrames, 10 ms and 25 ms at 16 kHz
    centred, whole = (num_samples + 80) // 160, max(1 + (num_samples - 400) // 160, 0)
    num_frames = centred if facts.reflected else whole
    wanted = num_frames + TAIL_FRAMES if num_frames else 0
    passed = len(frame(framing, [ramp(num_samples)])) * facts.hop // 160
    assert wanted <= passed < wanted + facts.hop // 160


def test_a_clip_shorter_than_the_mirror_is_mirrored_again_and_again() -> None:
    window, *_ = frame(MIRRORED, [ramp(100)])
    # kaldi reflects at the first sample, then at the last
    assert window[:22] == [float(number) for number in [*range(81, 101), 100, 99]]
    assert window[20:120] == ramp(100)[::-1].tolist()
    assert window[120:221] == [*ramp(100).tolist(), 0.0]


def test_nothing_is_left_to_do_without_samples() -> None:
    assert frame(MIRRORED, []) == frame(PLAIN, [ramp(0)]) == []


def test_what_was_passed_over_is_not_kept() -> None:
    _, backlog = take(MIRRORED, MIRRORED.push(Backlog(), ramp(50_000)))
    assert len(MIRRORED.push(backlog, ramp(1)).pending) < MIRRORED.streaming.window + 1
