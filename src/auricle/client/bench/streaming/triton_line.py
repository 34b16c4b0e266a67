"""A stream's way to Triton: one gRPC stream, an answer for each request."""

import asyncio
import contextlib
import time

import grpc

from auricle.client.bench.streaming.talk import Reply
from auricle.errors import AuricleError

LEAVING_S = 5.0  # for the server to close a stream
TEXT_START = 4  # bytes: a text comes after its length
LOST = (asyncio.TimeoutError, asyncio.InvalidStateError, grpc.aio.AioRpcError)


class TritonLine:
    def __init__(self, call: grpc.aio.StreamStreamCall) -> None:
        self._call = call

    async def send(self, request: bytes) -> None:
        await asyncio.shield(self._call.write(request))  # a cut write ends the stream

    async def receive(self, _number: int) -> Reply:
        try:
            answer = await self._call.read()
        except grpc.aio.AioRpcError as failure:
            raise AuricleError(f"{failure.code().name}: {failure.details()}") from failure
        now = time.perf_counter()
        if answer is grpc.aio.EOF:
            raise AuricleError("the server left the stream")
        if answer.error_message:
            raise AuricleError(answer.error_message)
        text = bytes(answer.infer_response.raw_output_contents[0][TEXT_START:]).decode()
        return Reply(text, now)

    async def leave(self) -> None:
        """Let the server close; Triton 2.51 may die of a stream torn off."""
        with contextlib.suppress(*LOST):
            await self._call.done_writing()
            while await asyncio.wait_for(self._call.read(), LEAVING_S) is not grpc.aio.EOF:
                pass
