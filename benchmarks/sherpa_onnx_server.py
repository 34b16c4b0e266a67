"""sherpa-onnx's websocket servers: how they are started, and how the offline one is spoken to.

pip install sherpa-onnx-bin==2.0.1 websockets
"""

import asyncio
import json
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import websockets
from websockets.asyncio.client import ClientConnection

from auricle.client.bench.workload import Waveforms

START_S = 60.0


@dataclass(frozen=True)
class Setting:
    """Threads that take batches, threads of each run of the network, utterances in a batch.

    interval_ms: between two looks for work; only the online server has it.
    """

    work_threads: int
    threads: int
    batch: int
    interval_ms: int | None = None

    def __str__(self) -> str:
        label = f"{self.work_threads} work threads x {self.threads}, batch {self.batch}"
        return f"{label}, every {self.interval_ms} ms" if self.interval_ms else label


@dataclass(frozen=True)
class Server:
    """binary: the server's program.  checkpoint: icefall's transducer.  flags: in every setting."""

    binary: str
    checkpoint: Path
    port: int
    flags: Sequence[str] = ("--model-type=transducer",)

    @contextmanager
    def serving(self, setting: Setting) -> Iterator[int]:
        """The process id; the server is ready when a connection succeeds."""
        quiet = subprocess.DEVNULL
        with subprocess.Popen(self._command(setting), stdout=quiet, stderr=quiet) as process:
            try:
                yield process.pid
            finally:
                process.kill()

    def _command(self, setting: Setting) -> list[str]:
        roles = ("encoder", "decoder", "joiner")
        graphs = {role: next(self.checkpoint.glob(f"{role}*.onnx")) for role in roles}
        interval = setting.interval_ms
        return [
            self.binary,
            *(f"--{role}={path}" for role, path in graphs.items()),
            f"--tokens={self.checkpoint / 'tokens.txt'}",
            *self.flags,
            f"--port={self.port}",
            f"--num-work-threads={setting.work_threads}",
            f"--num-threads={setting.threads}",
            f"--max-batch-size={setting.batch}",
            *([f"--loop-interval-ms={interval}"] if interval else []),
            "--log-file=/dev/null",
        ]


class Websocket:
    """A load.Sender of messages serialised beforehand, over one connection for each caller.

    The protocol: sample rate and number of bytes as int32, float32 samples, all in one message;
    JSON comes back, and the connection is free for the next request.
    """

    def __init__(self, messages: Sequence[bytes], connections: Sequence[ClientConnection]) -> None:
        self._messages = messages
        self._free = list(connections)

    async def __call__(self, index: int) -> str:
        connection = self._free.pop()
        await connection.send(self._messages[index])
        answer = json.loads(await connection.recv())
        self._free.append(connection)
        return str(answer["text"]).strip()


@asynccontextmanager
async def connect(
    port: int, waveforms: Waveforms, sample_rate: int, callers: int
) -> AsyncIterator[Websocket]:
    messages = [
        struct.pack("<ii", sample_rate, waveform.nbytes) + waveform.tobytes()
        for waveform in waveforms.values()
    ]
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(await open_connection(port)) for _ in range(callers)
        ]
        yield Websocket(messages, connections)


async def open_connection(port: int) -> ClientConnection:
    """Wait until the server has loaded its model; a compressed message would cost it time."""
    url, end = f"ws://127.0.0.1:{port}", time.monotonic() + START_S
    while True:
        try:
            return await websockets.connect(
                url, compression=None, max_size=None, ping_interval=None
            )
        except OSError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.2)
