"""Whether a reduced model hears as well as its fp32 self."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from auricle.client.scoring import UNITS, Score
from auricle.errors import AccuracyError, ManifestError
from auricle.gate.decoding import Decoded, Model, Tell, decode
from auricle.gate.speech import Speech

MAX_RISE = 0.5  # points of WER
MAX_PLAIN_WER = 50.0  # percent; what the fp32 model itself cannot hear judges nothing


@dataclass(frozen=True)
class Heard:
    """What a model made of the speech."""

    name: str
    score: Score
    decoded: Decoded

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        counts = self.score.counts
        rate = self.decoded.audio_s / self.decoded.wall_s
        return (
            self.name,
            f"{self.score.error_rate:.2f}",
            str(counts.errors),
            str(counts.reference_units),
            f"{rate:.1f}",
        )


@dataclass(frozen=True)
class Comparison:
    """plain: the fp32 model.  reduced: the one that would be written."""

    plain: Heard
    reduced: Heard

    @property
    def rise(self) -> float:
        """Points; negative where the reduced model makes fewer errors."""
        return self.reduced.score.error_rate - self.plain.score.error_rate

    @property
    def rate_name(self) -> str:
        return "WER" if self.plain.score.unit == "word" else "CER"

    def report(self) -> tuple[str, ...]:
        """A table, and the difference in one line."""
        unit = UNITS[self.plain.score.unit].partition(",")[0]
        head = ("precision", self.rate_name, "errors", unit, "audio s/s")
        return (
            *_align([head, self.plain.row, self.reduced.row]),
            f"accuracy  {self.reduced.name} changes {self.rate_name} by {self.rise:+.2f} points",
        )

    def check(self, max_rise: float) -> None:
        """AccuracyError if the rate rises by more than max_rise points."""
        if self.rise > max_rise:
            rates = [each.score.error_rate for each in (self.plain, self.reduced)]
            raise AccuracyError(
                f"{self.reduced.name} has {rates[1]:.2f} % {self.rate_name} where fp32 has "
                f"{rates[0]:.2f} %, {self.rise:.2f} points more; {max_rise:g} are allowed "
                "(--max-wer-rise), so nothing was written"
            )


def compare(plain: Model, reduced: Model, speech: Speech, tell: Tell) -> Comparison:
    """Both decode all of the speech, one after the other, on every core that they may use.

    ManifestError if the fp32 model cannot make out half of it.
    """
    num_threads = len(os.sched_getaffinity(0))
    heard = []
    for model in (plain, reduced):
        decoded = decode(model, speech.utterances, num_threads, tell)
        heard.append(Heard(model.name, speech.score(decoded.transcripts), decoded))
        if heard[0].score.error_rate > MAX_PLAIN_WER:
            raise ManifestError(
                f"the fp32 model has {heard[0].score.error_rate:.2f} % errors on the set; is it "
                "of another language or task?"
            )
    return Comparison(*heard)


def _align(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Columns to the right, but the first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "accuracy  " + "  ".join([first.ljust(widths[0]), *cells])
