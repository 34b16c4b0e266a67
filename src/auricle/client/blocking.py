"""The client for code without an event loop, the same in all else.

with Client() as client:
    print(client.transcribe("speech.flac").text)
    for partial in client.stream(chunks):
        print(partial.stable, partial.unstable)
"""

import asyncio
import threading
from collections.abc import Coroutine, Generator, Mapping
from typing import TypeVar

from auricle.client.client import PATIENT, AsyncClient, Audio, Patience
from auricle.client.credentials import OWN, Credentials
from auricle.client.results import Transcription
from auricle.client.streaming.partials import Partial
from auricle.client.streaming.stream import Chunks
from auricle.client.transport import Parameter, ProtocolName

Answer = TypeVar("Answer")


class Client:
    """AsyncClient for code without an event loop; several threads may share one."""

    def __init__(
        self,
        url: str | None = None,
        *,
        protocol: ProtocolName = "grpc",
        model: str | None = None,
        sample_rate: int = 16000,
        patience: Patience = PATIENT,
        credentials: Credentials = OWN,
    ) -> None:
        async def connect() -> AsyncClient:
            return AsyncClient(
                url,
                protocol=protocol,
                model=model,
                sample_rate=sample_rate,
                patience=patience,
                credentials=credentials,
            )

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._client = self._wait(connect())

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """A second time does nothing."""
        if self._loop.is_closed():
            return
        self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def models(self) -> list[str]:
        return self._wait(self._client.models())

    def transcribe(
        self,
        source: Audio,
        *,
        details: bool = False,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Transcription:
        """See AsyncClient.transcribe."""
        return self._wait(self._client.transcribe(source, details=details, parameters=parameters))

    def stream(
        self,
        chunks: Chunks,
        *,
        rate: int | None = None,
        details: bool = True,
        parameters: Mapping[str, Parameter] | None = None,
        in_flight: int = 64,
    ) -> Generator[Partial, None, None]:
        """See AsyncClient.stream; a loop that is left early ends the stream."""
        stream = self._client.stream(
            chunks, rate=rate, details=details, parameters=parameters, in_flight=in_flight
        )
        try:
            while partial := self._wait(anext(stream, None)):
                yield partial
        finally:
            if not self._loop.is_closed():
                self._wait(stream.aclose())

    def _wait(self, call: Coroutine[object, object, Answer]) -> Answer:
        """The call ends with the wait, if that is cut short."""
        answer = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return answer.result()
        except BaseException:
            answer.cancel()
            raise
