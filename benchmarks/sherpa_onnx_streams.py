"""sherpa-onnx's online websocket server as the other end of streams; see sherpa_onnx_server.py.

The protocol: float32 samples in binary messages, then the text "Done". The server answers each
window that it has decoded by one JSON text, whether the words change or not, and ends by "Done!"
(sherpa-onnx 2.0.1, found by experiment and in csrc/online-websocket-server-impl.cc). So the number
of answers up to a chunk is the number of windows that are full with it.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import onnx
import sherpa_onnx_server
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from auricle.audio import Waveform
from auricle.client.bench.run import Counters
from auricle.client.bench.streaming.talk import Heard, Piece, Reply, Talk
from auricle.errors import AuricleError

SHIFT = 160  # samples at 16 kHz, between frames of features
REACH = 280  # samples that a frame needs behind its start, SHIFT times its number: its centred
# window of 25 ms ends there
DONE, ENDED = "Done", "Done!"
OVERTAKEN_S = 2.0  # another thread sends ENDED, which may overtake the last answer


@dataclass(frozen=True)
class Windows:
    """When an encoder's windows are full, in samples from the first: the first, and each next."""

    first: int
    hop: int

    def count(self, num_samples: int) -> int:
        return max(0, (num_samples - self.first) // self.hop + 1)

    def by_chunk(self, num_samples: int, chunk: int) -> list[int]:
        """How many windows each chunk fills; the last one's come at the end, and are not counted.

        The server waits for one frame more than a window has (OnlineRecognizer::IsReady).
        """
        ends = [*range(0, num_samples, chunk), num_samples]
        return [self.count(end) - self.count(start) for start, end in pairwise(ends)]


def read_metadata(checkpoint: Path) -> dict[str, str]:
    """Of the encoder."""
    path = next(checkpoint.glob("encoder*.onnx"))
    model = onnx.load(path, load_external_data=False)
    return {each.key: each.value for each in model.metadata_props}


def parse_windows(metadata: dict[str, str]) -> Windows:
    frames, hop = int(metadata["T"]), int(metadata["decode_chunk_len"])
    return Windows(frames * SHIFT + REACH, hop * SHIFT)


class WebsocketLine:
    """windows: that each chunk fills; the last one's answers are all until the end."""

    def __init__(self, connection: ClientConnection, windows: Sequence[int]) -> None:
        self._connection, self._windows = connection, windows
        self._sent = 0

    async def send(self, request: bytes) -> None:
        await self._connection.send(request)
        self._sent += 1
        if self._sent == len(self._windows):
            await self._connection.send(DONE)

    async def receive(self, number: int) -> Reply | None:
        """The answer to the last of the windows that the chunk fills."""
        try:
            if number == len(self._windows) - 1:
                return await self._receive_last()
            reply = None
            for _ in range(self._windows[number]):
                reply = _parse(await self._connection.recv())[0]
        except WebSocketException as failure:
            raise AuricleError(f"the server left the stream: {failure}") from failure
        return reply

    async def _receive_last(self) -> Reply:
        """The answer that says it is the last; without one, the last before "Done!"."""
        reply, patience_s = None, None
        while True:
            try:
                answer = await asyncio.wait_for(self._connection.recv(), patience_s)
            except asyncio.TimeoutError:
                break
            if answer == ENDED:
                patience_s = OVERTAKEN_S
                continue
            reply, is_last = _parse(answer)
            if is_last:
                break
        if not reply:
            raise AuricleError("the server ended the stream without a last answer")
        return reply

    async def leave(self) -> None:
        with contextlib.suppress(WebSocketException, OSError):
            await self._connection.close()


class SherpaOnnx:
    """The server at a port, as experiment.Target."""

    model = "sherpa-onnx"

    def __init__(self, port: int, windows: Windows) -> None:
        self._port, self._windows = port, windows
        self._waveforms: list[list[Piece]] = []
        self._filled: list[list[int]] = []

    def prepare(self, waveforms: Sequence[Waveform], sample_rate: int, chunk_ms: float) -> None:
        size = round(chunk_ms * sample_rate / 1000)
        self._filled = [self._windows.by_chunk(len(each), size) for each in waveforms]
        self._waveforms = [_cut(each, size, sample_rate) for each in waveforms]

    async def speak(self, index: int, start: float | None = None) -> Heard:
        try:
            connection = await sherpa_onnx_server.open_connection(self._port)
        except (OSError, WebSocketException) as failure:
            return Heard(index, None, [], [], None, f"no connection: {failure}")
        line = WebsocketLine(connection, self._filled[index])
        return await Talk(line, self._waveforms[index], start).hear(index)

    async def counters(self) -> dict[str, Counters]:
        return {}


def _parse(answer: str | bytes) -> tuple[Reply, bool]:
    """And whether it says that it is the last."""
    now = time.perf_counter()
    fields = json.loads(answer)
    return Reply(str(fields["text"]).strip(), now), bool(fields["is_eof"])


def _cut(waveform: Waveform, size: int, sample_rate: int) -> list[Piece]:
    return [
        Piece(
            waveform[start : start + size].tobytes(), min(start + size, len(waveform)) / sample_rate
        )
        for start in range(0, len(waveform), size)
    ]
