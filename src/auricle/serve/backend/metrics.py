"""Numbers of our own beside Triton's, on the same /metrics.

An increment is a message to the server process and back, 15 to 40 us: too long for a batch to wait
for several of them. So a batch adds to numbers in memory, and a thread sends these on.
"""

from __future__ import annotations  # Triton fills pb_utils only after the import

import logging
import threading
from collections.abc import Sequence
from typing import NamedTuple

import triton_python_backend_utils as pb_utils

from auricle.serve.backend.outcomes import REASONS, Outcome, Reason, reason_of
from auricle.serve.runner import Runner, Tensors

LOGGER = logging.getLogger(__name__)
PERIOD_S = 0.5  # how old a number may be; a scrape comes every few seconds
FAMILIES = {
    "asr_requests_total": "Requests that reached the model.",
    "asr_request_errors_total": "Requests answered with an error, by reason.",
    "asr_utterances_total": "Utterances transcribed.",
    "asr_audio_seconds_total": "Seconds of audio transcribed.",
    "asr_encoder_runs_total": "Runs of the encoder, each over one sub-batch.",
    "asr_padding_seconds_total": "Seconds of silence added to fill sub-batches.",
    "asr_active_streams": "Streams that the model holds now.",
    "asr_idle_streams_total": "Streams dropped because their callers fell silent.",
}
OF_STREAMS = ("asr_active_streams", "asr_idle_streams_total")
GAUGES = frozenset(("asr_active_streams",))


class Series(NamedTuple):
    """One number on the page: its family, and its labels beside the model's name."""

    family: str
    reason: Reason | None = None


ERRORS = "asr_request_errors_total"
SERIES = [
    *(Series(family) for family in FAMILIES if family not in (ERRORS, *OF_STREAMS)),
    *(Series(ERRORS, reason) for reason in REASONS),
]


class Meter:
    """The numbers of one instance of a model; Triton adds up what the instances count."""

    def __init__(self, model: str, *, of_streams: bool = False) -> None:
        self._labels = {"model": model}
        self._series = [*SERIES, *(map(Series, OF_STREAMS) if of_streams else ())]
        self._families: list[pb_utils.MetricFamily] = []
        self._metrics: dict[Series, pb_utils.Metric] = {}
        self._pending: dict[Series, float] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._send_on, name="metrics", daemon=True)

    def open(self) -> None:
        """Appear on the page, all at 0: what was counted before (the warm-up) is forgotten."""
        try:
            self._register()
        except pb_utils.TritonModelException as error:
            LOGGER.warning("this Triton takes no metrics of ours: %s", error)
            self._metrics.clear()
        self._take()
        self._thread.start()

    def add(self, series: Series, amount: float) -> None:
        with self._lock:
            self._pending[series] = self._pending.get(series, 0) + amount

    def count(self, outcomes: Sequence[Outcome]) -> None:
        self.add(Series("asr_requests_total"), len(outcomes))
        for outcome in outcomes:
            self.add(Series("asr_utterances_total"), outcome.num_heard)
            self.add(Series("asr_audio_seconds_total"), outcome.heard_seconds)
            if outcome.error:
                self.add(Series(ERRORS, reason_of(outcome.error)), 1)

    def close(self) -> None:
        """Leave the page when the last instance does; a metric goes before its family."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self._send()
        self._metrics.clear()
        self._families.clear()

    def _register(self) -> None:
        names = dict.fromkeys(series.family for series in self._series)
        families = {name: _create_family(name) for name in names}
        self._families = list(families.values())
        for series in self._series:
            labels = {"reason": series.reason} if series.reason else {}
            metric = families[series.family].Metric(labels={**self._labels, **labels})
            self._metrics[series] = metric

    def _send_on(self) -> None:
        while not self._closing.wait(PERIOD_S):
            self._send()

    def _send(self) -> None:
        for series, amount in self._take().items():
            if amount and series in self._metrics:
                self._metrics[series].increment(amount)

    def _take(self) -> dict[Series, float]:
        with self._lock:
            taken, self._pending = self._pending, {}
        return taken


def _create_family(name: str) -> pb_utils.MetricFamily:
    family = pb_utils.MetricFamily
    kind = family.GAUGE if name in GAUGES else family.COUNTER
    return family(name=name, description=FAMILIES[name], kind=kind)


class MeteredRunner:
    """A Runner that counts the encoder's runs and their padding."""

    def __init__(self, runner: Runner, meter: Meter, sample_rate: int) -> None:
        self.runner = runner
        self.meter = meter
        self.sample_rate = sample_rate

    def run(self, graph: str, batches: Sequence[Tensors]) -> list[Tensors]:
        outputs = self.runner.run(graph, batches)
        if graph == "encoder":
            padding = sum(map(_count_padding, batches))
            self.meter.add(Series("asr_encoder_runs_total"), len(batches))
            self.meter.add(Series("asr_padding_seconds_total"), padding / self.sample_rate)
        return outputs


def _count_padding(batch: Tensors) -> int:
    """Samples of silence behind the shorter rows; the windows of streams are all as long."""
    return batch["WAV"].size - int(batch["WAV_LENS"].sum()) if "WAV" in batch else 0
