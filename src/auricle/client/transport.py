"""KServe v2 over gRPC or HTTP: one request's tensors out, the answer's texts back.

Knows the wire and turns every failure into ours; does not retry, does not know audio.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from auricle import access, wire
from auricle.audio import Waveform
from auricle.client.credentials import Credentials
from auricle.errors import AuricleError, BusyError, InvalidRequestError, UnreachableError

ProtocolName = Literal["grpc", "http"]
PORTS: Mapping[ProtocolName, int] = {"grpc": 8001, "http": 8000}
Parameter = str | int | float | bool

Answer = TypeVar("Answer")

QUICK_S = 10.0  # for what a server knows without working
UNLOADED = "has no available versions"  # said of a model in its reload, and of all at a stop
RESTRICTED = "restricted, expecting header"  # Triton's words; gRPC says UNAVAILABLE, HTTP 403

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


class Transport:
    """A connection to one server; whatever fails is an AuricleError."""

    def __init__(self, url: str, protocol: ProtocolName, credentials: Credentials) -> None:
        self._url = url
        self._key = credentials.key_for(url)
        if protocol == "http":
            import aiohttp
            import tritonclient.http.aio as kserve

            tls = credentials.tls_context()
            self._server = kserve.InferenceServerClient(
                url, conn_limit=0, conn_timeout=None, ssl=bool(tls), ssl_context=tls
            )
            self._key_name = access.HTTP_HEADER
            self._lost: tuple[type[Exception], ...] = (aiohttp.ClientError,)
            self._as_json = {}
        else:
            import tritonclient.grpc.aio as kserve

            tls = credentials.grpc_channel()
            self._server = kserve.InferenceServerClient(url, creds=tls, channel_args=CHANNEL)
            self._key_name = access.GRPC_METADATA
            self._lost = ()
            self._as_json = {"as_json": True}
        self._kserve = kserve

    async def infer(self, request: Request, deadline_s: float) -> dict[str, list[str]]:
        """The texts of each output, one a waveform."""
        lens = np.array([[len(waveform)] for waveform in request.waveforms], np.int32)
        wav = np.zeros((len(lens), lens.max()), np.float32)
        for row, waveform in zip(wav, request.waveforms, strict=True):
            row[: len(waveform)] = waveform
        inputs = [self._input(wire.WAV, wav), self._input(wire.WAV_LENS, lens)]
        outputs = [self._kserve.InferRequestedOutput(name) for name in request.outputs]
        call = self._server.infer(
            request.model, inputs, outputs=outputs, parameters=dict(request.parameters)
        )
        answer = await self._answer(call, deadline_s)
        return {
            name: [text.decode() for text in answer.as_numpy(name).flat] for name in request.outputs
        }

    async def is_live(self) -> bool:
        try:
            return bool(await self._answer(self._server.is_server_live()))
        except AuricleError:
            return False

    async def is_ready(self, model: str) -> bool:
        return bool(await self._answer(self._server.is_model_ready(model)))

    async def ready_models(self) -> list[str]:
        """AccessError if the server tells them only to those who have its key."""
        headers = {self._key_name: self._key} if self._key else None
        index = await self._answer(
            self._server.get_model_repository_index(headers=headers, **self._as_json)
        )
        models = index.get("models", []) if isinstance(index, dict) else index  # gRPC, HTTP
        return [model["name"] for model in models if model.get("state") == "READY"]

    async def input_names(self, model: str) -> list[str]:
        metadata = await self._answer(self._server.get_model_metadata(model, **self._as_json))
        return [tensor["name"] for tensor in metadata.get("inputs", [])]

    async def close(self) -> None:
        await self._server.close()

    def _input(self, tensor: wire.Tensor, values: NDArray[np.generic]) -> object:
        wanted = self._kserve.InferInput(tensor.name, values.shape, tensor.dtype)
        wanted.set_data_from_numpy(values)
        return wanted

    async def _answer(self, call: Awaitable[Answer], deadline_s: float = QUICK_S) -> Answer:
        """What the server says, or our error for its status; leaving early cancels the request."""
        try:
            return await asyncio.wait_for(call, deadline_s)
        except self._kserve.InferenceServerException as error:
            if RESTRICTED in error.message():
                raise access.refusal(self._url, key_was_sent=bool(self._key)) from error
            if UNLOADED in error.message():
                raise BusyError(f"the server at {self._url} cannot answer now: {error}") from error
            raise _translate(error.status(), error.message(), self._url) from error
        except self._lost as error:
            raise UnreachableError(f"no server answers at {self._url}: {error}") from error
        except asyncio.TimeoutError as error:
            raise AuricleError(f"the server at {self._url} gave no answer in time") from error


def _translate(status: str | None, message: str, url: str) -> AuricleError:
    """The error of a gRPC status or HTTP code; None is tritonclient's own complaint."""
    match (status or "INVALID_ARGUMENT").removeprefix("StatusCode."):
        case "INVALID_ARGUMENT" | "400" | "NOT_FOUND" | "404":
            return InvalidRequestError(message)
        case "UNAVAILABLE" | "503" | "CANCELLED":  # the last where a stopping server hangs up
            return BusyError(f"the server at {url} cannot answer now: {message}")
        case code:
            return AuricleError(f"the server at {url} failed ({code}): {message}")
