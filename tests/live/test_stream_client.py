"""Streams of the client against a stateful model on a real tritonserver, over both protocols."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
import tritonclient.grpc as kserve

from auricle.audio import Waveform
from auricle.client import AsyncClient, Chunk, Client, Partial
from auricle.client.transport import ProtocolName
from auricle.errors import AuricleError, InvalidRequestError
from auricle.server import Server
from tests.live.asking import audio

pytestmark = pytest.mark.triton

WINDOW = 1600


@pytest.fixture(scope="module")
def server(listener_server: Server) -> Server:
    return listener_server


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> ProtocolName:
    name: ProtocolName = request.param
    return name


@pytest.fixture
def url(server: Server, protocol: ProtocolName) -> str:
    return server.grpc_address if protocol == "grpc" else server.http_address


def speech(*levels: int, tail: int = 0) -> Waveform:
    """A window of each level, in hundredths, and `tail` samples more of the last."""
    samples = np.repeat(np.array(levels, np.float32) / 100, WINDOW)
    return np.concatenate([samples, samples[len(samples) - tail :]])


def cut(waveform: Waveform, size: int) -> Iterator[Waveform]:
    for start in range(0, len(waveform), size):
        yield waveform[start : start + size]


def streams_left(server: Server) -> int:
    """How many the model remembers beside the one that asks."""
    client = kserve.InferenceServerClient(server.grpc_address)
    inputs = []
    for name, values in audio([np.zeros(1, np.float32)]).items():
        tensor = kserve.InferInput(name, values.shape, "FP32" if name == "WAV" else "INT32")
        tensor.set_data_from_numpy(values)
        inputs.append(tensor)
    answer = client.infer(
        "listener", inputs, sequence_id=1, sequence_start=True, sequence_end=True,
        parameters={"asr_sample_rate": 16000},
    )  # fmt: skip
    client.close()
    return int(answer.as_numpy("COUNT").item())


@pytest.mark.parametrize("size", [700, 1600, 5000, 100_000])
def test_any_chunking_gives_the_same_final_text(
    url: str, protocol: ProtocolName, size: int
) -> None:
    waveform = speech(3, 4, 5, tail=10)
    with Client(url, protocol=protocol, model="listener") as client:
        partials = list(client.stream(cut(waveform, size)))
    assert partials[-1].text == "3 4 5 5"
    assert [one.is_final for one in partials] == [False] * (len(partials) - 1) + [True]
    assert len(partials) == -(-len(waveform) // size) + 1


def test_partials_are_typed(url: str, protocol: ProtocolName) -> None:
    chunks: list[Waveform | Chunk] = [speech(3, 4), Chunk(speech(5), is_last=True)]
    with Client(url, protocol=protocol, model="listener") as client:
        first, last = client.stream(chunks)
    assert (first.text, first.stable, first.unstable, first.delta) == ("3 4", "3", " 4", "3")
    assert (first.is_final, first.segments, first.audio_seconds) == (False, (), 0.2)
    assert (last.text, last.stable, last.delta, last.is_final) == ("3 4 5", "3 4 5", " 4 5", True)
    (segment,) = last.segments
    assert (segment.start, segment.end, segment.text) == (0.0, 0.3, "3 4 5")
    assert 0 < first.latency_s < 5


def test_without_details_a_partial_has_its_text(url: str, protocol: ProtocolName) -> None:
    with Client(url, protocol=protocol, model="listener") as client:
        first, last = client.stream([speech(3, 4)], details=False)
    assert (first.text, first.stable, first.result) == ("3 4", "", None)
    assert (last.text, last.stable, last.is_final) == ("3 4", "3 4", True)


def test_a_chunk_may_finalize_its_segment(url: str, protocol: ProtocolName) -> None:
    chunks: list[Waveform | Chunk] = [Chunk(speech(3), finalize=True), speech(4)]
    with Client(url, protocol=protocol, model="listener") as client:
        first, _, last = client.stream(chunks)
    assert [segment.text for segment in first.segments] == ["3"]
    assert (first.stable, last.text) == ("3", "3 4")


def test_parameters_go_with_every_chunk(url: str, protocol: ProtocolName) -> None:
    with Client(url, protocol=protocol, model="listener") as client:
        waveform = speech(3, 0, 4)
        partials = list(client.stream(cut(waveform, 800), parameters={"asr_endpoint": True}))
    assert [one.text for partial in partials for one in partial.segments] == ["3", "4"]


def test_chunks_of_another_rate_are_resampled(url: str, protocol: ProtocolName) -> None:
    low = np.full(8000, 0.05, np.float32)
    with Client(url, protocol=protocol, model="listener") as client:
        *_, last = client.stream(cut(low, 333), rate=8000)
    words = last.text.split()
    assert len(words) == 10
    assert words[1:-1] == ["5"] * 8  # the first and last ring
    assert last.audio_seconds == 1.0


def test_many_streams_do_not_mix(url: str, protocol: ProtocolName) -> None:
    async def one(client: AsyncClient, level: int) -> str:
        async with client.stream(cut(speech(*[level] * 5), 100 * level)) as partials:
            return [partial.text async for partial in partials][-1]

    async def run() -> list[str]:
        async with AsyncClient(url, protocol=protocol, model="listener") as client:
            return await asyncio.gather(*(one(client, level) for level in range(1, 33)))

    assert asyncio.run(run()) == [" ".join([str(level)] * 5) for level in range(1, 33)]


def test_a_stream_that_is_left_early_is_ended(
    server: Server, url: str, protocol: ProtocolName
) -> None:
    with Client(url, protocol=protocol, model="listener") as client:
        for partial in client.stream(cut(speech(*range(1, 50)), 1600)):
            if partial.text == "1 2 3":
                break
        assert streams_left(server) == 0


def test_a_cancelled_task_ends_its_stream(server: Server, url: str, protocol: ProtocolName) -> None:
    async def endless() -> AsyncIterator[Waveform]:
        while True:
            yield speech(1)
            await asyncio.sleep(0.01)

    async def listen(client: AsyncClient, seen: list[Partial]) -> None:
        async with client.stream(endless()) as partials:
            seen.append(await anext(partials))
            async for _ in partials:
                pass

    async def run() -> None:
        async with AsyncClient(url, protocol=protocol, model="listener") as client:
            seen: list[Partial] = []
            task = asyncio.create_task(listen(client, seen))
            while not seen:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await asyncio.to_thread(streams_left, server) == 0

    asyncio.run(run())


def test_a_client_that_is_closed_ends_its_streams(
    server: Server, url: str, protocol: ProtocolName
) -> None:
    with Client(url, protocol=protocol, model="listener") as client:
        partials = client.stream(cut(speech(1, 2, 3), 1600))
        next(partials)
    assert streams_left(server) == 0


def test_what_the_chunks_raise_comes_after_the_text_before_it(
    server: Server, url: str, protocol: ProtocolName
) -> None:
    def torn() -> Iterator[Waveform]:
        yield speech(1, 2)
        raise OSError("the microphone is gone")

    with Client(url, protocol=protocol, model="listener") as client:
        partials = client.stream(torn())
        assert [next(partials).text, next(partials).text] == ["1 2", "1 2"]
        with pytest.raises(OSError, match="the microphone is gone"):
            next(partials)
    assert streams_left(server) == 0


def test_a_refused_chunk_ends_the_stream_in_the_servers_words(
    server: Server, url: str, protocol: ProtocolName
) -> None:
    with Client(url, protocol=protocol, model="listener") as client:
        partials = client.stream(cut(speech(1, 2, 300, 4), 1600), in_flight=1)
        assert [next(partials).text, next(partials).text] == ["1", "1 2"]
        with pytest.raises(InvalidRequestError, match=r"^WAV holds samples beyond 1$"):
            next(partials)
        assert streams_left(server) == 0


def test_another_rate_than_the_models_is_refused(url: str, protocol: ProtocolName) -> None:
    with (
        Client(url, protocol=protocol, model="listener", sample_rate=8000) as client,
        pytest.raises(InvalidRequestError, match="asr_sample_rate is not 16000 Hz"),
    ):
        list(client.stream([speech(1)]))


def test_an_empty_stream_has_an_empty_text(
    server: Server, url: str, protocol: ProtocolName
) -> None:
    with Client(url, protocol=protocol, model="listener") as client:
        (last,) = client.stream([])
    assert (last.text, last.is_final) == ("", True)
    assert streams_left(server) == 0


def test_only_so_many_chunks_wait_for_their_answers(url: str, protocol: ProtocolName) -> None:
    read = []

    def counted() -> Iterator[Waveform]:
        for number in range(20):
            read.append(number)
            yield speech(1)

    with Client(url, protocol=protocol, model="listener") as client:
        partials = client.stream(counted(), in_flight=2)
        next(partials)
        time.sleep(0.3)
        assert len(read) <= 4  # two under way, one answered, one that waits here
        assert len(list(partials)) == 20


def test_a_chunk_of_two_channels_is_refused(url: str, protocol: ProtocolName) -> None:
    with (
        Client(url, protocol=protocol, model="listener") as client,
        pytest.raises(AuricleError, match=r"a chunk is \[num_samples\], mono; got shape \(2, 5\)"),
    ):
        list(client.stream([np.zeros((2, 5), np.float32)]))
