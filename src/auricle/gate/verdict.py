"""Whether a reduced model hears as well as its fp32 self."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from auricle.client.scoring import UNITS, Score
from auricle.errors import AccuracyError, ManifestError
from auricle.gate.decoding import Decoded, Model, Tell, decode
from auricle.gate.speech import Speech

MAX_RISE = 0.5  # points of WER
NUM_NAMES = 3  # columns of the table
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
class Label:
    """What a comparison is of: a model, a set, and how far the encoders' outputs are apart.

    difference: the largest, relative beyond 1; None where it was not measured.
    """

    model: str = "-"
    set_name: str = "-"
    difference: float | None = None


@dataclass(frozen=True)
class Comparison:
    """plain: the fp32 model.  reduced: the one that would be written."""

    plain: Heard
    reduced: Heard
    label: Label = Label()

    @property
    def rise(self) -> float:
        """Points; negative where the reduced model makes fewer errors."""
        return self.reduced.score.error_rate - self.plain.score.error_rate

    @property
    def rate_name(self) -> str:
        return "WER" if self.plain.score.unit == "word" else "CER"

    def report(self) -> tuple[str, ...]:
        """A table with a row a model, and what changes in one line."""
        unit = UNITS[self.plain.score.unit].partition(",")[0]
        head = ("model", "set", "precision", self.rate_name, "errors", unit, "audio s/s",
                "difference")  # fmt: skip
        label = self.label
        whose = (label.model, label.set_name)
        largest = "-" if label.difference is None else f"{label.difference:.2g}"
        rows = [(*whose, *self.plain.row, "0"), (*whose, *self.reduced.row, largest)]
        return (
            *_align([head, *rows]),
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


def compare(
    models: tuple[Model, Model], speech: Speech, tell: Tell, label: Label = Label()
) -> Comparison:
    """The fp32 model and the reduced one decode all of the speech, on every core they may use.

    ManifestError if the fp32 model cannot make out half of it.
    """
    num_threads = len(os.sched_getaffinity(0))
    heard = []
    for model in models:
        decoded = decode(model, speech.utterances, num_threads, tell)
        heard.append(Heard(model.name, speech.score(decoded.transcripts), decoded))
        if heard[0].score.error_rate > MAX_PLAIN_WER:
            raise ManifestError(
                f"the fp32 model has {heard[0].score.error_rate:.2f} % errors on the set; is it "
                "of another language or task?"
            )
    return Comparison(heard[0], heard[1], label)


def _align(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Columns to the right, but the first three, which are names."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if place < NUM_NAMES else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "accuracy  " + "  ".join(cells)
