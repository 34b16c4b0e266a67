"""The client's streams against a real gRPC server that misbehaves as told."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from auricle.audio import Waveform
from auricle.client import AsyncClient, Chunk, Client, Partial, Patience
from auricle.errors import AuricleError, InvalidRequestError, UnreachableError
from tests.client.conftest import Serve, free_port

HURRIED = Patience(attempts=2, first_wait_s=0.01, longest_wait_s=0.05)
CHUNKS = [np.zeros(length, np.float32) for length in (3, 5)]


def seen(text: str) -> dict[str, object]:
    told: dict[str, object] = json.loads(text)
    return told


def test_the_first_request_starts_and_one_without_audio_ends(serve: Serve) -> None:
    with Client(serve()) as client:
        told = [seen(one.text) for one in client.stream(CHUNKS, parameters={"asr_nbest": 2})]
    assert [one["lens"] for one in told] == [[3], [5], [0]]
    assert [one["rate"] for one in told] == [16000] * 3
    parameters = [dict(one["parameters"]) for one in told]  # type: ignore[call-overload]
    marks = [(one["sequence_start"], one["sequence_end"]) for one in parameters]
    assert marks == [(True, False), (False, False), (False, True)]
    assert [one["asr_nbest"] for one in parameters] == [2] * 3
    assert len({one["sequence_id"] for one in parameters}) == 1


def test_the_last_chunk_may_end_the_stream_itself(serve: Serve) -> None:
    chunks: list[Waveform | Chunk] = [CHUNKS[0], Chunk(CHUNKS[1], is_last=True), CHUNKS[0]]
    with Client(serve()) as client:
        partials = list(client.stream(chunks))
    assert [seen(one.text)["lens"] for one in partials] == [[3], [5]]
    assert [one.is_final for one in partials] == [False, True]


def test_every_stream_has_another_id(serve: Serve) -> None:
    with Client(serve()) as client:
        texts = [one.text for _ in range(50) for one in client.stream([])]
    ids = {int(str(seen(text)["parameters"]["sequence_id"])) for text in texts}  # type: ignore[index]
    assert len(ids) == 50
    assert all(0 < one < 2**63 for one in ids)
    assert max(ids) > 2**60


def test_a_refusal_ends_the_stream(serve: Serve) -> None:
    with Client(serve("ok", "invalid")) as client:
        partials = client.stream(CHUNKS)
        next(partials)
        with pytest.raises(InvalidRequestError, match=r"^WAV holds NaN$"):
            next(partials)
        assert list(partials) == []


def test_a_server_that_dies_is_unreachable(serve: Serve) -> None:
    with Client(serve("ok", "lost"), patience=HURRIED) as client:
        partials = client.stream(CHUNKS, in_flight=1)
        next(partials)
        with pytest.raises(UnreachableError, match="no server answers at localhost"):
            next(partials)


def test_where_no_server_is_the_stream_says_so() -> None:
    with (
        Client(f"localhost:{free_port()}", patience=HURRIED) as client,
        pytest.raises(UnreachableError, match="no server answers at localhost"),
    ):
        next(client.stream(CHUNKS))


def test_a_silent_server_is_left_at_the_deadline(serve: Serve) -> None:
    with (
        Client(serve("slow"), patience=Patience(deadline_s=0.2)) as client,
        pytest.raises(AuricleError, match="gave no answer to a chunk in 0"),
    ):
        next(client.stream(CHUNKS))


def test_nothing_is_read_before_the_first_partial_is_awaited(serve: Serve) -> None:
    chunks = iter(CHUNKS)
    with Client(serve()) as client:
        client.stream(chunks)
    assert len(list(chunks)) == 2


def test_a_stream_that_pauses_is_kept_alive(serve: Serve) -> None:
    async def slow() -> AsyncIterator[Waveform]:
        yield CHUNKS[0]
        await asyncio.sleep(0.25)
        yield CHUNKS[1]

    async def listen(url: str) -> list[Partial]:
        async with AsyncClient(url) as client:
            stream = client.stream(slow())
            stream.terms = replace(stream.terms, keep_alive_s=0.1)
            return [partial async for partial in stream]

    told = [seen(one.text)["lens"] for one in asyncio.run(listen(serve()))]
    assert told == [[3], [0], [0], [5], [0]]
