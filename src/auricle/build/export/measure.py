"""Facts that an adapted encoder shows only when it runs: its frame rate and its longest input."""

import numpy as np

from auricle.build.export.session import Array, Session

LONGEST_SECONDS = 60.0  # longer requests are refused by default, so nothing beyond is tried


def silence(num_samples: int) -> dict[str, Array]:
    return {
        "WAV": np.zeros((1, num_samples), dtype=np.float32),
        "WAV_LENS": np.array([num_samples], dtype=np.int32),
    }


def seconds_per_frame(encoder: Session, sample_rate: int) -> float:
    """Seconds of audio per output frame, from the frames that 4 more seconds bring."""
    short, long = (
        int(encoder.run(silence(seconds * sample_rate))["OUT_LENS"][0]) for seconds in (4, 8)
    )
    return round(4 / (long - short), 6)


def max_seconds(encoder: Session, sample_rate: int) -> float | None:
    """The longest audio that the graph takes, to the frame of 10 ms; None if a minute runs."""
    frame = sample_rate // 100
    fits, fails = 0, int(LONGEST_SECONDS * 100)
    if encoder.runs(silence(fails * frame)):
        return None
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if encoder.runs(silence(middle * frame)):
            fits = middle
        else:
            fails = middle
    return fits / 100
