"""The streams that a model holds, by sequence id, and why it holds others no more."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.stream import Stream

StreamId = int | str  # Triton's correlation id
NUM_FAREWELLS = 4096  # of streams that are gone, kept to tell a late caller why


@dataclass(frozen=True)
class _Held:
    stream: Stream
    seen: float  # seconds of the clock at the last chunk


class StreamTable:
    """Streams, each held until it ends or nothing came for idle_s; any thread may ask."""

    def __init__(self, idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.idle_s = idle_s
        self._clock = clock
        self._held: dict[StreamId, _Held] = {}
        self._farewells: OrderedDict[StreamId, str] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, stream_id: StreamId) -> bool:
        return stream_id in self._held

    def find(self, stream_id: StreamId) -> Stream:
        """The stream, which stays; UnfitRequestError if it is not there, with the reason."""
        with self._lock:
            held = self._held.get(stream_id)
            if held is None:
                why = self._farewells.get(stream_id, "it never began, or ended long ago")
                raise UnfitRequestError(
                    "stream",
                    f"there is no stream {stream_id!r}: {why}; begin a new one with the START flag",
                )
            self._held[stream_id] = _Held(held.stream, self._clock())
            return held.stream

    def keep(self, stream_id: StreamId, stream: Stream) -> None:
        with self._lock:
            self._held[stream_id] = _Held(stream, self._clock())
            self._farewells.pop(stream_id, None)

    def drop(self, stream_id: StreamId, why: str) -> None:
        """Hold a stream no more, if it is there; why: told to who still sends to it."""
        with self._lock:
            self._drop(stream_id, why)

    def reap(self) -> int:
        """Drop the streams that have idled out; how many."""
        with self._lock:
            before = self._clock() - self.idle_s
            idle = [each for each, held in self._held.items() if held.seen < before]
            for stream_id in idle:
                self._drop(stream_id, f"it idled out, for nothing came for {self.idle_s:g} s")
            return len(idle)

    def _drop(self, stream_id: StreamId, why: str) -> None:
        self._held.pop(stream_id, None)
        self._farewells[stream_id] = why
        self._farewells.move_to_end(stream_id)
        if len(self._farewells) > NUM_FAREWELLS:
            self._farewells.popitem(last=False)
