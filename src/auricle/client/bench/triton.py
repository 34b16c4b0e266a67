"""The wire at its cheapest: requests serialised beforehand, Triton's own counters around them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from auricle import access, wire
from auricle.audio import Waveform
from auricle.client.bench.load import Load
from auricle.client.bench.run import Counters, Run, run
from auricle.client.credentials import OWN, Credentials
from auricle.client.transport import CHANNEL, RESTRICTED
from auricle.errors import AuricleError, BusyError, UnreachableError

INFER = "/inference.GRPCInferenceService/ModelInfer"
DEADLINE_S = 300.0


class Target:
    """One model of one server, and the requests that will be sent to it, ready as bytes."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        url: str,
        model: str,
        key: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self._infer = channel.unary_unary(
            INFER, response_deserializer=service_pb2.ModelInferResponse.FromString
        )
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        self.url, self.model = url, model
        self._key = key
        self._parameters = parameters or {}
        self._requests: list[bytes] = []

    def prepare(self, waveforms: Sequence[Waveform], sample_rate: int) -> None:
        self._requests = [self.serialise(each, sample_rate) for each in waveforms]

    async def __call__(self, index: int) -> str:
        try:
            answer = await self._infer(self._requests[index], timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            raise _ours(error, self.url) from error
        return bytes(answer.raw_output_contents[0][4:]).decode()  # after a length of 4 bytes

    async def counters(self) -> dict[str, Counters]:
        """By model, the pipeline's own ones and any other of the server."""
        metadata = [(access.GRPC_METADATA, self._key)] if self._key else None
        try:
            answer = await self._stub.ModelStatistics(
                service_pb2.ModelStatisticsRequest(), metadata=metadata
            )
        except grpc.aio.AioRpcError as error:
            if RESTRICTED in (error.details() or ""):
                raise access.refusal(self.url, key_was_sent=bool(self._key)) from error
            raise _ours(error, self.url) from error
        return {each.name: _counters(each) for each in answer.model_stats}

    async def server_version(self) -> str:
        answer = await self._stub.ServerMetadata(service_pb2.ServerMetadataRequest())
        return f"{answer.name} {answer.version}"

    def serialise(self, waveform: Waveform, sample_rate: int) -> bytes:
        """The request for its text."""
        request = service_pb2.ModelInferRequest(model_name=self.model)
        request.parameters[wire.SAMPLE_RATE].int64_param = sample_rate
        for name, value in self._parameters.items():
            request.parameters[name].string_param = value
        request.outputs.add(name=wire.TRANSCRIPTS.name)
        lens = np.array([len(waveform)], np.int32)
        for tensor, values in ((wire.WAV, waveform), (wire.WAV_LENS, lens)):
            request.inputs.add(name=tensor.name, datatype=tensor.dtype, shape=[1, len(values)])
            request.raw_input_contents.append(values.tobytes())
        return bytes(request.SerializeToString())


@asynccontextmanager
async def connect(
    url: str,
    model: str,
    credentials: Credentials = OWN,
    parameters: Mapping[str, str] | None = None,
) -> AsyncIterator[Target]:
    """parameters: of every request, such as asr_decoding."""
    async with open_channel(url, credentials) as channel:
        yield Target(channel, url, model, credentials.key_for(url), parameters)


def open_channel(url: str, credentials: Credentials) -> grpc.aio.Channel:
    """A context that closes it."""
    tls = credentials.grpc_channel()
    if tls:
        return grpc.aio.secure_channel(url, tls, options=CHANNEL)
    return grpc.aio.insecure_channel(url, options=CHANNEL)


async def count_run(
    target: Target, order: Sequence[int], load: Load, server_pid: int | None
) -> Run:
    """A run, and what Triton itself counted while it went."""
    before = await target.counters()
    done = await run(target, order, load, server_pid)
    after = await target.counters()
    grown = {name: after[name].since(before.get(name, Counters())) for name in after}
    return replace(done, counters={name: each for name, each in grown.items() if each.executions})


def _counters(statistics: service_pb2.ModelStatistics) -> Counters:
    spent = statistics.inference_stats
    compute = (spent.compute_input, spent.compute_infer, spent.compute_output)
    return Counters(
        requests=spent.success.count,
        failures=spent.fail.count,
        inferences=statistics.inference_count,
        executions=statistics.execution_count,
        queue_ns=spent.queue.ns,
        compute_ns=sum(each.ns for each in compute),
        busy_ns=sum(
            each.compute_input.ns + each.compute_infer.ns + each.compute_output.ns
            for each in statistics.batch_stats
        ),
    )


def _ours(error: grpc.aio.AioRpcError, url: str) -> AuricleError:
    if error.code() is not grpc.StatusCode.UNAVAILABLE:
        return AuricleError(f"the server at {url} failed ({error.code().name}): {error.details()}")
    if "connect" in (error.details() or ""):
        return UnreachableError(f"no server answers at {url}: {error.details()}")
    return BusyError(f"the server at {url} refused: {error.details()}")
