"""A microphone of this machine as the chunks of a stream; needs sounddevice and PortAudio."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from auricle.audio import Waveform
from auricle.client.streaming.partials import Chunk
from auricle.errors import AudioError

if TYPE_CHECKING:
    import sounddevice

LOG = logging.getLogger(__name__)

Device = int | str  # a number, or a part of the name
BLOCK_MS = 20  # that PortAudio hands over at once; of the last word, no more is lost


class Recording:
    """What a microphone hears, at `rate` Hz, in chunks of chunk_ms, until it is stopped."""

    def __init__(self, rate: int, chunk_ms: float) -> None:
        self.rate = rate
        self._chunk_samples = round(chunk_ms * rate / 1000)
        self._loop = asyncio.get_running_loop()
        self._blocks: asyncio.Queue[Chunk | None] = asyncio.Queue()

    def stop(self) -> None:
        """What was heard until now is the last; any thread may ask."""
        self._loop.call_soon_threadsafe(self._blocks.put_nowait, None)

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        blocks: list[Waveform] = []
        while block := await self._blocks.get():
            blocks.append(block.samples)
            if sum(map(len, blocks)) >= self._chunk_samples:
                yield Chunk(np.concatenate(blocks), at=block.at)
                blocks.clear()
        if blocks:
            yield Chunk(np.concatenate(blocks))

    def take(
        self, block: "sounddevice.NDArray", _frames: int, _times: object, status: object
    ) -> None:
        """PortAudio's callback, in a thread of its own: float32 [num_samples, 1]."""
        if status:
            LOG.warning("the microphone lost some audio: %s", status)
        chunk = Chunk(block[:, 0].copy(), at=time.perf_counter())
        self._loop.call_soon_threadsafe(self._blocks.put_nowait, chunk)


@contextmanager
def recording(device: Device | None, chunk_ms: float) -> Iterator[Recording]:
    """A microphone that listens, at its own rate; None is the one that the system prefers.

    AudioError where there is none, or not what it takes to open it. Call it in an event loop.
    """
    portaudio = _load()
    try:
        rate = int(portaudio.query_devices(device, "input")["default_samplerate"])
        heard = Recording(rate, chunk_ms)
        stream = portaudio.InputStream(
            samplerate=rate,
            blocksize=round(min(BLOCK_MS, chunk_ms) * rate / 1000),
            device=device,
            channels=1,
            dtype="float32",
            callback=heard.take,
        )
    except (portaudio.PortAudioError, ValueError) as error:
        name = "the microphone" if device is None else f"microphone {device!r}"
        raise AudioError(
            f"{name} cannot be opened: {error}; `python -m sounddevice` lists those that are there"
        ) from error
    with stream:
        yield heard


def _load() -> "sounddevice":
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError(
            "a microphone needs the package sounddevice: pip install 'auricle[microphone]'"
        ) from error
    except OSError as error:
        raise AudioError(
            f"a microphone needs the PortAudio library ({error}); on Debian and Ubuntu: "
            "apt-get install libportaudio2"
        ) from error
    return sounddevice
