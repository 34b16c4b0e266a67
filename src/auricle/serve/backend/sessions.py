"""Chunks of sequences to the streams that they belong to, and back; knows no Triton."""

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auricle.serve.backend.outcomes import CancelledRequestError, StreamOutcome
from auricle.serve.backend.stream_table import StreamId, StreamTable
from auricle.serve.decode.endpoint import Rules
from auricle.serve.options import BeamOptions
from auricle.serve.stream import Chunk, Partial, Stream
from auricle.serve.streaming import StreamingPipeline

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a request stands in its sequence."""

    stream_id: StreamId
    is_first: bool = False
    is_last: bool = False


@dataclass(frozen=True)
class Visit:
    """A chunk that fits, and the stream that it meets."""

    place: Place
    stream: Stream
    chunk: Chunk


class Sessions:
    """rules: by which the segments of a stream end that asks for nothing."""

    def __init__(self, pipeline: StreamingPipeline, table: StreamTable, rules: Rules) -> None:
        self.pipeline = pipeline
        self.table = table
        self.rules = rules

    def admit(
        self,
        place: Place,
        chunk: Chunk,
        rules: Rules | None = None,
        beam: BeamOptions | None = None,
    ) -> Visit:
        """START makes a new stream in the place of any other with its id, as Triton does.

        rules, beam: those asked for.  UnfitRequestError if a chunk without START has no stream.
        """
        if place.is_first:
            return Visit(place, self.pipeline.start(rules or self.rules, beam), chunk)
        stream = self.table.find(place.stream_id)
        if rules:
            stream = dataclasses.replace(stream, rules=rules)
        return Visit(place, stream, chunk)

    def refuse(self, place: Place, error: Exception) -> StreamOutcome:
        """A chunk that cannot be served leaves its stream as it was, unless it is an end of it."""
        if isinstance(error, CancelledRequestError):
            self.table.drop(place.stream_id, "its caller cancelled a chunk")
        elif place.is_first:
            self.table.drop(place.stream_id, "its first chunk was refused")
        elif place.is_last and place.stream_id in self.table:
            self.table.drop(place.stream_id, "it has ended")
        return StreamOutcome(error=error, stream_id=place.stream_id)

    def recognise(self, visits: Mapping[int, Visit]) -> dict[int, StreamOutcome]:
        """All chunks in one step; if that fails, each alone, so that only the guilty fail."""
        if not visits:
            return {}
        started = time.perf_counter()
        try:
            streams, partials = self.pipeline.step(
                [visit.stream for visit in visits.values()],
                [visit.chunk for visit in visits.values()],
            )
        except Exception as error:
            if len(visits) > 1:
                alone = (self.recognise({index: visit}) for index, visit in visits.items())
                return {index: outcome for each in alone for index, outcome in each.items()}
            LOGGER.exception("a chunk failed")
            return {index: self._fail(visit, error) for index, visit in visits.items()}
        compute_s = time.perf_counter() - started
        for visit, stream in zip(visits.values(), streams, strict=True):
            self._keep(visit.place, stream)
        return {
            index: self._tell(visit, partial, len(visits), compute_s)
            for (index, visit), partial in zip(visits.items(), partials, strict=True)
        }

    def _keep(self, place: Place, stream: Stream) -> None:
        if place.is_last:
            self.table.drop(place.stream_id, "it has ended")
        else:
            self.table.keep(place.stream_id, stream)

    def _fail(self, visit: Visit, error: Exception) -> StreamOutcome:
        stream_id = visit.place.stream_id
        self.table.drop(stream_id, "the server failed at a chunk of it")
        return StreamOutcome(error=error, stream_id=stream_id, audio_seconds=self._seconds(visit))

    def _tell(self, visit: Visit, partial: Partial, batch: int, compute_s: float) -> StreamOutcome:
        return StreamOutcome(
            audio_seconds=self._seconds(visit),
            batch=batch,
            compute_s=compute_s,
            stream_id=visit.place.stream_id,
            partial=partial,
        )

    def _seconds(self, visit: Visit) -> list[float]:
        return [len(visit.chunk.samples) / self.pipeline.spec.sample_rate]


def take_turns(places: Sequence[Place]) -> list[list[int]]:
    """Indices of the places in turns, so that two of one stream are in two, in their order."""
    turns: list[list[int]] = []
    counts: dict[StreamId, int] = {}
    for index, place in enumerate(places):
        turn = counts.get(place.stream_id, 0)
        counts[place.stream_id] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(index)
    return turns
