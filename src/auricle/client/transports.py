"""KServe v2 over gRPC or HTTP: one request's tensors out, the answer's texts back.

Knows the wire and turns every failure into ours; does not retry, does not know audio.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from auricle import wire
from auricle.audio import Waveform
from auricle.errors import AuricleError, BusyError, InvalidRequestError, UnreachableError

ProtocolName = Literal["grpc", "http"]
PORTS: Mapping[ProtocolName, int] = {"grpc": 8001, "http": 8000}
Parameter = str | int | float | bool

LIVE_DEADLINE_S = 5.0

CHANNEL = [  # gRPC's own wait before it reconnects grows to 120 s; a restarted server is soon back
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
]


@dataclass(frozen=True)
class Request:
    """Waveforms at one rate, answered together; outputs names TRANSCRIPTS and perhaps RESULT."""

    model: str
    waveforms: Sequence[Waveform]
    outputs: tuple[str, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


class Transport(Protocol):
    """How a client reaches a server; every failure is an AuricleError."""

    async def infer(self, request: Request, deadline_s: float) -> dict[str, list[str]]:
        """The text of each output, one per waveform."""

    async def is_live(self) -> bool: ...

    async def ready_models(self) -> list[str]: ...

    async def input_names(self, model: str) -> list[str]: ...

    async def close(self) -> None: ...


class GrpcTransport:
    def __init__(self, url: str) -> None:
        import tritonclient.grpc.aio as kserve

        self._url, self._kserve = url, kserve
        self._server = kserve.InferenceServerClient(url, channel_args=CHANNEL)

    async def infer(self, request: Request, deadline_s: float) -> dict[str, list[str]]:
        arguments = _tensors(request, self._kserve)
        async with self._failures_are_ours():
            answer = await self._server.infer(
                request.model, *arguments, client_timeout=deadline_s,
                parameters=dict(request.parameters),
            )  # fmt: skip
        return {name: _texts(answer.as_numpy(name)) for name in request.outputs}

    async def is_live(self) -> bool:
        try:
            async with self._failures_are_ours():
                return bool(await self._server.is_server_live(client_timeout=LIVE_DEADLINE_S))
        except AuricleError:
            return False

    async def ready_models(self) -> list[str]:
        async with self._failures_are_ours():
            index = await self._server.get_model_repository_index()
        return [model.name for model in index.models if model.state == "READY"]

    async def input_names(self, model: str) -> list[str]:
        async with self._failures_are_ours():
            metadata = await self._server.get_model_metadata(model)
        return [tensor.name for tensor in metadata.inputs]

    async def close(self) -> None:
        await self._server.close()

    @asynccontextmanager
    async def _failures_are_ours(self) -> AsyncIterator[None]:
        try:
            yield
        except self._kserve.InferenceServerException as error:
            raise _ours(error.status(), error.message(), self._url) from error


class HttpTransport:
    def __init__(self, url: str) -> None:
        import aiohttp
        import tritonclient.http.aio as kserve

        self._url, self._kserve, self._broken = url, kserve, aiohttp.ClientError
        self._server = kserve.InferenceServerClient(url, conn_limit=0, conn_timeout=None)

    async def infer(self, request: Request, deadline_s: float) -> dict[str, list[str]]:
        arguments = _tensors(request, self._kserve)
        async with self._failures_are_ours():
            answer = await asyncio.wait_for(
                self._server.infer(request.model, *arguments, parameters=dict(request.parameters)),
                deadline_s,
            )
        return {name: _texts(answer.as_numpy(name)) for name in request.outputs}

    async def is_live(self) -> bool:
        try:
            async with self._failures_are_ours():
                return bool(await asyncio.wait_for(self._server.is_server_live(), LIVE_DEADLINE_S))
        except AuricleError:
            return False

    async def ready_models(self) -> list[str]:
        async with self._failures_are_ours():
            index = await self._server.get_model_repository_index()
        return [model["name"] for model in index if model.get("state") == "READY"]

    async def input_names(self, model: str) -> list[str]:
        async with self._failures_are_ours():
            metadata = await self._server.get_model_metadata(model)
        return [tensor["name"] for tensor in metadata["inputs"]]

    async def close(self) -> None:
        await self._server.close()

    @asynccontextmanager
    async def _failures_are_ours(self) -> AsyncIterator[None]:
        try:
            yield
        except self._kserve.InferenceServerException as error:
            raise _ours(error.status(), error.message(), self._url) from error
        except asyncio.TimeoutError as error:
            raise _ours("timeout", "", self._url) from error
        except self._broken as error:
            raise UnreachableError(f"no server answers at {self._url}: {error}") from error


TRANSPORTS: Mapping[ProtocolName, type[GrpcTransport | HttpTransport]] = {
    "grpc": GrpcTransport,
    "http": HttpTransport,
}


def _tensors(request: Request, kserve: ModuleType) -> tuple[list[object], str, list[object]]:
    """The inputs, the model's version (any) and the outputs, as tritonclient's infer takes them."""
    lens = np.array([[len(waveform)] for waveform in request.waveforms], np.int32)
    wav = np.zeros((len(lens), lens.max()), np.float32)
    for row, waveform in zip(wav, request.waveforms, strict=True):
        row[: len(waveform)] = waveform
    inputs = []
    for tensor, values in ((wire.WAV, wav), (wire.WAV_LENS, lens)):
        inputs.append(kserve.InferInput(tensor.name, values.shape, tensor.dtype))
        inputs[-1].set_data_from_numpy(values)
    return inputs, "", [kserve.InferRequestedOutput(name) for name in request.outputs]


def _texts(values: NDArray[np.object_]) -> list[str]:
    return [value.decode() for value in values.reshape(-1)]


def _ours(status: str | None, message: str, url: str) -> AuricleError:
    """The error of a gRPC status or HTTP code; None is tritonclient's own complaint."""
    match (status or "INVALID_ARGUMENT").removeprefix("StatusCode."):
        case "INVALID_ARGUMENT" | "400" | "NOT_FOUND" | "404":
            return InvalidRequestError(message)
        case "UNAVAILABLE" | "503":
            return BusyError(f"the server at {url} cannot answer now: {message}")
        case "DEADLINE_EXCEEDED" | "timeout":
            return AuricleError(f"the server at {url} gave no answer in time")
        case code:
            return AuricleError(f"the server at {url} failed ({code}): {message}")
