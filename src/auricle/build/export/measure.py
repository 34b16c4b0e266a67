"""Facts that an adapted encoder shows only when it runs: its frame rate and its longest input."""

import numpy as np

from auricle.build.export.session import Array, Session
from auricle.errors import CheckpointError

LONGEST_SECONDS = 60  # longer requests are refused by default, so nothing beyond is tried
STEPS_PER_SECOND = 100  # feature frames


def seconds_per_frame(encoder: Session, sample_rate: int) -> float:
    """Seconds of audio per output frame, from the frames that 6 more seconds bring."""
    short, long = (
        int(encoder.run(_silence(seconds * sample_rate))["OUT_LENS"][0]) for seconds in (1, 7)
    )
    return round(6 / (long - short), 6)


def max_seconds(encoder: Session, sample_rate: int) -> float | None:
    """The longest audio that the graph takes, to the frame; None if a minute runs.

    A table of positions caps some exports, which say so nowhere and fail in a Reshape.
    """
    step = sample_rate // STEPS_PER_SECOND
    fits, fails = 0, LONGEST_SECONDS * STEPS_PER_SECOND
    if _takes(encoder, fails * step):
        return None
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if _takes(encoder, middle * step):
            fits = middle
        else:
            fails = middle
    return fits / STEPS_PER_SECOND


def _takes(encoder: Session, num_samples: int) -> bool:
    try:
        encoder.run(_silence(num_samples))
    except CheckpointError:
        return False
    return True


def _silence(num_samples: int) -> dict[str, Array]:
    return {
        "WAV": np.zeros((1, num_samples), dtype=np.float32),
        "WAV_LENS": np.array([num_samples], dtype=np.int32),
    }
