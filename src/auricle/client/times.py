"""What requests took: of a stream its latencies, of many their percentiles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Times:
    """Of one stream, seconds.

    chunks_s: of each chunk but the last, from when its last sample was there to its answer.
    first_partial_s: from the first sample to the first text; None where there is none.
    final_s: from the last sample to the final text.
    after_first_word_s: from the end of the first word's audio, by the final text, to the first
    text; None where the server does not date words.
    second_pass_s: of each segment that had one, from its end's being known to its better text.
    """

    chunks_s: tuple[float, ...]
    first_partial_s: float | None
    final_s: float
    after_first_word_s: float | None = None
    second_pass_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class StreamSpeed:
    """What a run of streams took, seconds."""

    wall_s: float
    audio_s: float
    times: Sequence[Times]

    @property
    def rtfx(self) -> float:
        return self.audio_s / self.wall_s

    def __str__(self) -> str:
        chunks = [each for one in self.times for each in one.chunks_s]
        firsts = [one.first_partial_s for one in self.times if one.first_partial_s is not None]
        words = [one.after_first_word_s for one in self.times if one.after_first_word_s is not None]
        finals = [one.final_s for one in self.times]
        seconds = [each for one in self.times for each in one.second_pass_s]
        rows = {
            "chunk": chunks,
            "first partial": firsts,
            "first partial after the first word": words,
            "final": finals,
            "second pass": seconds,
        }
        lines = [
            f"{len(self.times)} streams, {self.audio_s:.1f} s of audio in {self.wall_s:.2f} s: "
            f"RTF {1 / self.rtfx:.4f}, RTFx {self.rtfx:.1f}"
        ]
        lines += [f"{name} ms: {ranks(values)}" for name, values in rows.items() if values]
        return "\n".join(lines)


def percentiles_ms(seconds: Iterable[float]) -> dict[str, float]:
    """By "mean", "p50", "p90", "p95" and "p99"; empty where there is nothing to rank."""
    values = [1e3 * one for one in seconds]
    if not values:
        return {}
    named = {f"p{rank}": float(np.percentile(values, rank)) for rank in PERCENTILES}
    return {"mean": float(np.mean(values)), **named}


def ranks(seconds: Iterable[float]) -> str:
    """percentiles_ms in one line, to a tenth."""
    return "  ".join(f"{name} {value:.1f}" for name, value in percentiles_ms(seconds).items())
