"""What the client understands of a model that Auricle itself serves for streams."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from auricle.audio import Waveform
from auricle.client import Chunk, Client, Partial
from auricle.client.transport import ProtocolName
from auricle.errors import InvalidRequestError
from auricle.server import Server
from auricle.spec import Choices
from tests.live.conftest import StartServer
from tests.live.stream_models import SAMPLE_RATE, write_stream_model

pytestmark = pytest.mark.triton

LOUD = np.random.default_rng(0).integers(0, 5, 3 * SAMPLE_RATE).astype(np.float32) / 8
SILENT = np.zeros(2 * SAMPLE_RATE, np.float32)


@pytest.fixture(scope="module")
def server(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder: Path = tmp_path_factory.mktemp("contract")
    write_stream_model(folder, "hear", Choices())
    return start_server(folder)


@pytest.fixture(params=["grpc", "http"])
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[Client]:
    protocol: ProtocolName = request.param
    url = server.grpc_address if protocol == "grpc" else server.http_address
    with Client(url, protocol=protocol, sample_rate=SAMPLE_RATE) as client:
        yield client


def speak(client: Client, waveform: Waveform, size: int, **parameters: str) -> list[Partial]:
    chunks = (waveform[first : first + size] for first in range(0, len(waveform), size))
    return list(client.stream(chunks, parameters=parameters))


@pytest.mark.parametrize("size", [77, 640, 100_000])
def test_any_chunking_gives_the_same_final_text(client: Client, size: int) -> None:
    (whole,) = client.stream([Chunk(LOUD, is_last=True)])
    assert len(whole.text.split()) > 20
    assert speak(client, LOUD, size)[-1].text == whole.text


def test_the_text_only_grows_and_its_end_is_final(client: Client) -> None:
    partials = speak(client, LOUD, 500)
    for before, after in pairwise(partials):
        assert after.stable.startswith(before.stable)
        assert after.stable == before.stable + after.delta
    assert "".join(one.delta for one in partials) == partials[-1].text
    assert [one.is_final for one in partials] == [False] * (len(partials) - 1) + [True]


def test_the_open_segment_is_the_text_since_the_last_one(client: Client) -> None:
    *before, last = speak(client, LOUD, 500)
    assert all(one.open_segment and one.open_segment.text == one.text for one in before)
    assert last.open_segment is None
    (segment,) = last.segments
    assert (segment.text, segment.endpoint) == (last.text, None)


def test_segments_cover_the_stream_without_gaps(client: Client) -> None:
    waveform = np.concatenate([LOUD, SILENT, LOUD])
    partials = speak(client, waveform, 333, asr_endpoint='{"rule2": 0.5}')
    segments = [segment for one in partials for segment in one.segments]
    assert [segment.id for segment in segments] == list(range(len(segments)))
    assert segments[0].endpoint == "rule2"
    assert segments[0].start == 0
    assert segments[-1].end == pytest.approx(len(waveform) / SAMPLE_RATE)
    assert all(before.end == after.start for before, after in pairwise(segments))
    assert " ".join(one.text for one in segments if one.text) == partials[-1].text


def test_a_chunk_may_finalize_its_segment(client: Client) -> None:
    first, *_, last = client.stream([Chunk(LOUD, finalize=True), Chunk(LOUD, is_last=True)])
    (segment,) = first.segments
    assert segment.endpoint == "finalize"
    assert last.text == f"{segment.text} {segment.text}"  # what follows is heard as a new stream


def test_a_refusal_comes_in_the_servers_words(client: Client) -> None:
    partials = client.stream([LOUD, np.full(10, np.nan, np.float32), LOUD])
    next(partials)
    with pytest.raises(InvalidRequestError, match="WAV has samples that are NaN or infinite"):
        list(partials)
    with pytest.raises(InvalidRequestError, match="unknown request parameters"):
        speak(client, LOUD, 500, asr_sped="1")
