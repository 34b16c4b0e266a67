"""Audio in, transcript out: the typed client of a served model, in an event loop.

    async with AsyncClient() as client:
        print((await client.transcribe("speech.flac")).text)

Decodes, mixes and resamples here (the server never does), retries what a retry can cure, and
chooses the model where the server has one. Knows the wire, never the model. Live audio goes to a
streaming model chunk by chunk:

        async for partial in client.stream(chunks):
            print(partial.stable, partial.unstable)
"""

import asyncio
import logging
import random
import time
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auricle import audio, wire
from auricle.audio import Waveform
from auricle.client.credentials import OWN, Credentials
from auricle.client.results import Transcription, parse_result
from auricle.client.streaming.stream import Chunks, PartialStream, Server, Terms
from auricle.client.transport import PORTS, Parameter, ProtocolName, Request, Transport
from auricle.errors import AccessError, AudioError, BusyError, UnknownModelError, UnreachableError

LOG = logging.getLogger(__name__)

Audio = str | Path | bytes | Waveform


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server that is busy, restarting or silent.

    The wait after attempt n is drawn from half to all of first_wait_s x 2^n, at most
    longest_wait_s, so that clients refused together do not come back together, and none gives up
    on a server that restarts within 15 s. deadline_s is for each attempt.
    """

    attempts: int = 12
    first_wait_s: float = 0.05
    longest_wait_s: float = 5.0
    deadline_s: float = 300.0

    def wait_s(self, attempt: int) -> float:
        longest = min(self.longest_wait_s, self.first_wait_s * 2**attempt)
        return random.uniform(longest / 2, longest)  # noqa: S311  # spreads load, keeps no secret


PATIENT = Patience()


class AsyncClient:
    """One connection for any number of concurrent requests of one event loop."""

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
        """Create it in the event loop that will use it.

        url: host:port, by default this machine's.  sample_rate: the model's, Hz.
        """
        self.url = url or f"localhost:{PORTS[protocol]}"
        self.sample_rate = sample_rate
        self._patience = patience
        self._model = model
        self._is_model_known = False
        self._choosing = asyncio.Lock()
        self._credentials = credentials
        self._transport = Transport(self.url, protocol, credentials)
        self._streams: weakref.WeakSet[PartialStream] = weakref.WeakSet()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Streams that have not ended are ended."""
        await asyncio.gather(*(stream.aclose() for stream in list(self._streams)))
        await self._transport.close()

    async def models(self) -> list[str]:
        """The models that take a waveform and are ready; wants the server's access key.

        UnreachableError where no server is.
        """
        async with self._explained():
            ready = [name for name in await self._transport.ready_models() if "__" not in name]
            inputs = [await self._transport.input_names(name) for name in ready]
        return [name for name, names in zip(ready, inputs, strict=True) if wire.WAV.name in names]

    async def model(self) -> str:
        """The model asked for, or the only one; UnknownModelError lists those that are there."""
        async with self._choosing:
            if not self._is_model_known:
                self._model = await self._choose()
                self._is_model_known = True
        assert self._model is not None, "a model was chosen"
        return self._model

    async def load(self, source: Audio) -> Waveform:
        """The waveform to send; an array is one already, float32 [num_samples] at sample_rate."""
        if isinstance(source, np.ndarray):
            if source.ndim != 1:
                raise AudioError(f"a waveform is [num_samples], mono; got shape {source.shape}")
            return source
        return await asyncio.to_thread(audio.load, source, self.sample_rate)

    async def transcribe(
        self,
        source: Audio,
        *,
        details: bool = False,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Transcription:
        """One transcript; details asks for the RESULT too: times, confidences, n-best.

        parameters are the request's own, such as asr_nbest. Raises AudioError for what cannot be
        decoded, InvalidRequestError in the server's words, BusyError and UnreachableError after
        the last attempt.
        """
        waveform = await self.load(source)
        (transcription,) = await self.transcribe_batch(
            [waveform], details=details, parameters=parameters
        )
        return transcription

    async def transcribe_batch(
        self,
        waveforms: Sequence[Waveform],
        *,
        details: bool = False,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> list[Transcription]:
        """Several waveforms in one request, which succeeds or fails as a whole."""
        outputs = (wire.TRANSCRIPTS.name, wire.RESULT.name)[: 2 if details else 1]
        own = {wire.SAMPLE_RATE: self.sample_rate, **(parameters or {})}
        request = Request(await self.model(), waveforms, outputs, own)
        start = time.perf_counter()
        answer, attempts = await self._send(request)
        latency_s = time.perf_counter() - start
        results = answer.get(wire.RESULT.name, [""] * len(waveforms))
        rows = zip(answer[wire.TRANSCRIPTS.name], results, waveforms, strict=True)
        return [
            Transcription(
                text,
                result=parse_result(result) if result else None,
                audio_seconds=len(waveform) / self.sample_rate,
                latency_s=latency_s,
                attempts=attempts,
            )
            for text, result, waveform in rows
        ]

    def stream(
        self,
        chunks: Chunks,
        *,
        rate: int | None = None,
        details: bool = True,
        parameters: Mapping[str, Parameter] | None = None,
        in_flight: int = 64,
    ) -> PartialStream:
        """Partial transcripts of live audio, one for each chunk; the last of them is final.

        chunks: float32 [num_samples], mono, as they come; any size. An ordinary iterator is read
        in a thread, so it may block.  rate: theirs, Hz; by default the model's.  details: without,
        partials have only their text.  in_flight: chunks that are sent before the answer to the
        first is there.

        The server is told of the end however the stream is left: by the last chunk, an error, a
        cancelled task or `aclose()`, which `async with` calls.
        """
        outputs = (wire.TRANSCRIPTS.name, wire.RESULT.name)[: 2 if details else 1]
        deadline_s = self._patience.deadline_s
        terms = Terms(self.sample_rate, rate, outputs, parameters or {}, in_flight, deadline_s)
        stream = PartialStream(Server(self._transport, self.model, self._explained), chunks, terms)
        self._streams.add(stream)
        return stream

    async def _choose(self) -> str:
        if self._model is None:
            return await self._only_model()
        async with self._explained():
            if await self._transport.is_ready(self._model):
                return self._model
        unknown = f"unknown model {self._model!r}; the server at {self.url} has"
        try:
            raise UnknownModelError(f"{unknown}: {', '.join(await self.models()) or 'none'}")
        except AccessError as error:
            raise UnknownModelError(f"{unknown} no ready one of that name") from error

    async def _only_model(self) -> str:
        try:
            ready = await self.models()
        except AccessError as error:
            raise AccessError(f"no model was named, and {error}; or name the model") from error
        if len(ready) != 1:
            raise UnknownModelError(
                "no model was named and there is not exactly one; the server at "
                f"{self.url} has: {', '.join(ready) or 'none'}"
            )
        return ready[0]

    async def _send(self, request: Request) -> tuple[dict[str, list[str]], int]:
        """The answer and the number of attempts that it took."""
        async with self._explained():
            for attempt in range(1, self._patience.attempts):
                try:
                    return await self._transport.infer(request, self._patience.deadline_s), attempt
                except (BusyError, UnreachableError) as error:
                    wait_s = self._patience.wait_s(attempt)
                    LOG.info("attempt %d failed, next in %.1f s: %s", attempt, wait_s, error)
                    await asyncio.sleep(wait_s)
            answer = await self._transport.infer(request, self._patience.deadline_s)
            return answer, self._patience.attempts

    @asynccontextmanager
    async def _explained(self) -> AsyncIterator[None]:
        """Tell a server that is full from one that is gone: gRPC says UNAVAILABLE for both."""
        try:
            yield
        except BusyError as error:
            if await self._transport.is_live():
                raise
            raise UnreachableError(
                f"no server answers at {self.url}; is it running? `auricle serve` starts one; "
                f"{self._credentials.doubt}"
            ) from error
