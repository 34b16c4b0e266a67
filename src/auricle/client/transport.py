"""KServe v2 over gRPC or HTTP: one request's tensors out, the answer's texts back.

Knows the wire and turns every failure into ours; does not retry, does not know audio.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

import grpc
import numpy as np
from numpy.typing import NDArray

from auricle import access, wire
from auricle.audio import Waveform
from auricle.client.credentials import Credentials
from auricle.errors import AuricleError, BusyError, InvalidRequestError, UnreachableError

if TYPE_CHECKING:
    import tritonclient.grpc as kserve

ProtocolName = Literal["grpc", "http"]
PORTS: Mapping[ProtocolName, int] = {"grpc": 8001, "http": 8000}
Parameter = str | int | float | bool

Texts = dict[str, list[str]]  # of each output, one a waveform
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
class Place:
    """A request's place in a sequence, whose state the server keeps by its id, which is not 0."""

    sequence_id: int
    is_first: bool = False
    is_last: bool = False


@dataclass(frozen=True)
class Request:
    """Waveforms at one rate, answered together; outputs names TRANSCRIPTS and perhaps RESULT.

    A request with a place has one waveform, which may be empty.
    """

    model: str
    waveforms: Sequence[Waveform]
    outputs: tuple[str, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    place: Place | None = None


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
            self._has_streams = False
        else:
            import tritonclient.grpc.aio as kserve

            tls = credentials.grpc_channel()
            self._server = kserve.InferenceServerClient(url, creds=tls, channel_args=CHANNEL)
            self._key_name = access.GRPC_METADATA
            self._lost = ()
            self._as_json = {"as_json": True}
            self._has_streams = True
        self._kserve = kserve

    async def infer(self, request: Request, deadline_s: float) -> Texts:
        """The texts of each output, one a waveform."""
        call = self._server.infer(**self._fields(request))
        return _texts(await self._answer(call, deadline_s), request.outputs)

    async def converse(
        self, requests: AsyncIterator[Request], deadline_s: float
    ) -> AsyncGenerator[Texts | AuricleError, None]:
        """The answer or error of each request of a sequence, in order; raises where the way is cut.

        By gRPC they share a stream, and none waits for the answer to the one before; by HTTP each
        does, and has the deadline. A stream's errors have no status, as Triton 2.51 dies of those
        that ask for it (triton_grpc_error) with requests under way: all are InvalidRequestError.
        """
        if self._has_streams:
            answers = self._converse_by_stream(requests)
        else:
            answers = self._converse_by_turns(requests, deadline_s)
        async with aclosing(answers):
            async for answer in answers:
                yield answer

    async def _converse_by_turns(
        self, requests: AsyncIterator[Request], deadline_s: float
    ) -> AsyncGenerator[Texts | AuricleError, None]:
        async for request in requests:
            try:
                answer: Texts | AuricleError = await self.infer(request, deadline_s)
            except AuricleError as error:
                answer = error
            yield answer

    async def _converse_by_stream(
        self, requests: AsyncIterator[Request]
    ) -> AsyncGenerator[Texts | AuricleError, None]:
        outputs: list[tuple[str, ...]] = []  # of those that are under way

        async def fields() -> AsyncIterator[dict[str, object]]:
            async for request in requests:
                outputs.append(request.outputs)
                yield self._fields(request)

        call = self._server.stream_infer(fields())
        try:
            with self._translated():
                async for answer, error in call:
                    names = outputs.pop(0)
                    if error:
                        yield self._ours(error.status(), error.message())
                    else:
                        yield _texts(answer, names)
        finally:
            call.cancel()

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

    def _fields(self, request: Request) -> dict[str, object]:
        """What tritonclient calls a request; no audio goes as one sample of which none counts."""
        lens = np.array([[len(waveform)] for waveform in request.waveforms], np.int32)
        wav = np.zeros((len(lens), max(lens.max(), 1 if request.place else 0)), np.float32)
        for row, waveform in zip(wav, request.waveforms, strict=True):
            row[: len(waveform)] = waveform
        fields: dict[str, object] = {
            "model_name": request.model,
            "inputs": [self._input(wire.WAV, wav), self._input(wire.WAV_LENS, lens)],
            "outputs": [self._kserve.InferRequestedOutput(name) for name in request.outputs],
            "parameters": dict(request.parameters),
        }
        if request.place:
            fields |= {
                "sequence_id": request.place.sequence_id,
                "sequence_start": request.place.is_first,
                "sequence_end": request.place.is_last,
            }
        return fields

    def _input(self, tensor: wire.Tensor, values: NDArray[np.generic]) -> object:
        wanted = self._kserve.InferInput(tensor.name, values.shape, tensor.dtype)
        wanted.set_data_from_numpy(values)
        return wanted

    async def _answer(self, call: Awaitable[Answer], deadline_s: float = QUICK_S) -> Answer:
        """What the server says, or our error for its status; leaving early cancels the request."""
        with self._translated():
            return await asyncio.wait_for(call, deadline_s)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Any failure of the server or of the way to it as our error."""
        try:
            yield
        except self._kserve.InferenceServerException as error:
            raise self._ours(error.status(), error.message()) from error
        except grpc.aio.AioRpcError as error:
            raise self._ours(str(error.code()), error.details() or "") from error
        except self._lost as error:
            raise UnreachableError(f"no server answers at {self._url}: {error}") from error
        except asyncio.TimeoutError as error:
            raise AuricleError(f"the server at {self._url} gave no answer in time") from error

    def _ours(self, status: str | None, message: str) -> AuricleError:
        if RESTRICTED in message:
            return access.refusal(self._url, key_was_sent=bool(self._key))
        if UNLOADED in message:
            return BusyError(f"the server at {self._url} cannot answer now: {message}")
        return _translate(status, message, self._url)


def _texts(answer: "kserve.InferResult", outputs: Sequence[str]) -> Texts:
    return {name: [text.decode() for text in answer.as_numpy(name).flat] for name in outputs}


def _translate(status: str | None, message: str, url: str) -> AuricleError:
    """The error of a gRPC status or HTTP code; None is tritonclient's own complaint."""
    match (status or "INVALID_ARGUMENT").removeprefix("StatusCode."):
        case "INVALID_ARGUMENT" | "400" | "NOT_FOUND" | "404":
            return InvalidRequestError(message)
        case "UNAVAILABLE" | "503" | "CANCELLED":  # the last where a stopping server hangs up
            return BusyError(f"the server at {url} cannot answer now: {message}")
        case code:
            return AuricleError(f"the server at {url} failed ({code}): {message}")
