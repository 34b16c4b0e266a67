"""One streaming model, and the waveforms that will be spoken to it, cut and ready as bytes."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from auricle.audio import Waveform
from auricle.client.bench import triton
from auricle.client.bench.run import Counters
from auricle.client.bench.streaming.talk import Heard, Piece, Talk
from auricle.client.bench.streaming.triton_line import TritonLine
from auricle.client.credentials import OWN, Credentials

STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"
ENDING_S = 5.0


class StreamTarget:
    """server: the same model, asked for whole utterances."""

    def __init__(self, channel: grpc.aio.Channel, server: triton.Target) -> None:
        self.server = server
        self._open = channel.stream_stream(
            STREAM_INFER, response_deserializer=service_pb2.ModelStreamInferResponse.FromString
        )
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        self._waveforms: list[list[Piece]] = []

    @property
    def model(self) -> str:
        return self.server.model

    async def counters(self) -> dict[str, Counters]:
        return await self.server.counters()

    def prepare(self, waveforms: Sequence[Waveform], sample_rate: int, chunk_ms: float) -> None:
        size = round(chunk_ms * sample_rate / 1000)
        self._waveforms = [self._cut(each, size, sample_rate) for each in waveforms]

    async def speak(self, index: int, start: float | None = None) -> Heard:
        """Waveform `index` as a stream of its own; see Talk. However it ends, END is sent."""
        sequence_id = secrets.randbelow(2**63 - 1) + 1
        pieces, last = self._waveforms[index], len(self._waveforms[index]) - 1
        placed = [
            Piece(piece.request + _place(sequence_id, number == 0, number == last), piece.end_s)
            for number, piece in enumerate(pieces)
        ]
        call = self._open()
        heard = None
        try:
            heard = await Talk(TritonLine(call), placed, start).hear(index)
            return heard
        finally:
            if heard is None or heard.error:
                call.cancel()
                await self._end(pieces[0].request + _place(sequence_id, False, True))

    async def _end(self, request: bytes) -> None:
        """END out of turn; nobody hears an error."""
        end = service_pb2.ModelInferRequest.FromString(request)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.TimeoutError):
            await asyncio.wait_for(self._stub.ModelInfer(end), ENDING_S)

    def _cut(self, waveform: Waveform, size: int, sample_rate: int) -> list[Piece]:
        return [
            Piece(
                self.server.serialise(waveform[start : start + size], sample_rate),
                min(start + size, len(waveform)) / sample_rate,
            )
            for start in range(0, len(waveform), size)
        ]


@asynccontextmanager
async def connect(
    url: str,
    model: str,
    credentials: Credentials = OWN,
    parameters: Mapping[str, str] | None = None,
) -> AsyncIterator[StreamTarget]:
    """parameters: of every request, such as asr_endpoint."""
    async with triton.open_channel(url, credentials) as channel:
        key = credentials.key_for(url)
        yield StreamTarget(channel, triton.Target(channel, url, model, key, parameters))


def _place(sequence_id: int, is_first: bool, is_last: bool) -> bytes:
    """What makes a request one of a sequence; messages in a row are one message to protobuf."""
    request = service_pb2.ModelInferRequest()
    request.parameters["sequence_id"].int64_param = sequence_id
    request.parameters["sequence_start"].bool_param = is_first
    request.parameters["sequence_end"].bool_param = is_last
    return bytes(request.SerializeToString())
