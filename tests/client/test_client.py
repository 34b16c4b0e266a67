"""The client against a real gRPC server that misbehaves as told."""

import asyncio
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from auricle.client import AsyncClient, Client, Patience
from auricle.client.results import Result, Segment, Word
from auricle.client.transport import ProtocolName
from auricle.errors import (
    AudioError,
    AuricleError,
    BusyError,
    InvalidRequestError,
    UnknownModelError,
    UnreachableError,
)
from tests.client.conftest import Serve, free_port, write_wav

HURRIED = Patience(attempts=4, first_wait_s=0.01, longest_wait_s=0.05)


def test_a_request_has_both_inputs_its_rate_and_only_the_text(serve: Serve, wav: Path) -> None:
    with Client(serve()) as client:
        done = client.transcribe(wav)
    assert json.loads(done.text) == {
        "model": "demo",
        "lens": [1600],
        "shape": [1, 1600],
        "rate": 16000,
        "outputs": ["TRANSCRIPTS"],
        "parameters": {},
    }
    assert (done.result, done.audio_seconds, done.attempts) == (None, 0.1, 1)


def test_a_client_may_be_closed_twice(serve: Serve) -> None:
    with Client(serve()) as client:
        client.close()


def test_details_bring_the_typed_result(serve: Serve, wav: Path) -> None:
    with Client(serve()) as client:
        done = client.transcribe(wav, details=True, parameters={"asr_nbest": 4})
    assert json.loads(done.text)["outputs"] == ["TRANSCRIPTS", "RESULT"]
    assert json.loads(done.text)["parameters"] == {"asr_nbest": 4}
    words = (Word("one", 0.1, 0.2, 0.9),)
    segments = (Segment(0, 0.0, 1.0, "one", words=words),)
    assert done.result == Result("demo", "one", "en", {"emotion": "HAPPY"}, segments=segments)


def test_audio_is_resampled_to_the_rate_that_is_told(serve: Serve, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "high.wav", 4410, rate=44100)
    with Client(serve(), sample_rate=8000) as client:
        seen = json.loads(client.transcribe(path).text)
        assert (seen["rate"], seen["lens"]) == (8000, [800])
        assert json.loads(client.transcribe(path.read_bytes()).text) == seen
        array = np.zeros(800, np.float32)
        assert json.loads(client.transcribe(array).text) == seen


def test_a_busy_server_is_asked_again(serve: Serve, wav: Path) -> None:
    with Client(serve("busy", "busy", "ok"), patience=HURRIED) as client:
        assert client.transcribe(wav).attempts == 3


def test_a_server_that_stays_busy_is_given_up(serve: Serve, wav: Path) -> None:
    with (
        Client(serve(*["busy"] * 4), patience=HURRIED) as client,
        pytest.raises(BusyError, match="cannot answer now: Exceeds maximum queue size"),
    ):
        client.transcribe(wav)


def test_an_invalid_request_is_not_repeated(serve: Serve, wav: Path) -> None:
    with Client(serve("invalid", "busy"), patience=HURRIED) as client:
        with pytest.raises(InvalidRequestError, match=r"^WAV holds NaN at sample 3$"):
            client.transcribe(wav)
        assert client.transcribe(wav).attempts == 2  # the step after "invalid" was not taken


def test_a_server_that_restarts_loses_no_request(serve: Serve, wav: Path) -> None:
    port = free_port()
    url = serve("lost", port=port)
    patience = Patience(attempts=30, first_wait_s=0.1, longest_wait_s=0.3)
    with Client(url, patience=patience) as client:
        again = threading.Timer(0.5, serve, kwargs={"port": port})
        again.start()
        assert client.transcribe(wav).attempts > 1
        again.join()


def test_a_server_that_is_gone_is_unreachable(serve: Serve, wav: Path) -> None:
    with (
        Client(serve("lost"), patience=HURRIED) as client,
        pytest.raises(UnreachableError, match="no server answers at localhost"),
    ):
        client.transcribe(wav)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_where_no_server_is_the_first_call_says_so_at_once(
    protocol: ProtocolName, wav: Path
) -> None:
    with Client(f"localhost:{free_port()}", protocol=protocol) as client:
        start = time.perf_counter()
        with pytest.raises(UnreachableError, match="no server answers at localhost"):
            client.transcribe(wav)
    assert time.perf_counter() - start < 5


def test_a_silent_server_is_left_at_the_deadline(serve: Serve, wav: Path) -> None:
    with (
        Client(serve("slow"), patience=Patience(deadline_s=0.2)) as client,
        pytest.raises(AuricleError, match="gave no answer in time"),
    ):
        client.transcribe(wav)


def test_the_only_model_that_takes_audio_is_chosen(serve: Serve) -> None:
    with Client(serve()) as client:
        assert client.models() == ["demo"]


def test_an_unknown_model_is_answered_with_those_that_are_there(serve: Serve, wav: Path) -> None:
    with (
        Client(serve(), model="dmeo") as client,
        pytest.raises(UnknownModelError, match=r"unknown model 'dmeo'; .* has: demo$"),
    ):
        client.transcribe(wav)


@pytest.mark.parametrize(("step", "there"), [("model=second", "demo, second"), ("nomodel", "none")])
def test_without_exactly_one_model_a_name_is_needed(
    step: str, there: str, serve: Serve, wav: Path
) -> None:
    with (
        Client(serve(step)) as client,
        pytest.raises(UnknownModelError, match=f"no model was named .* has: {there}"),
    ):
        client.transcribe(wav)


def test_a_batch_is_one_request_with_its_own_lengths(serve: Serve) -> None:
    async def send() -> list[str]:
        async with AsyncClient(serve()) as client:
            batch = [np.zeros(n, np.float32) for n in (3, 5)]
            return [done.text for done in await client.transcribe_batch(batch)]

    first, second = asyncio.run(send())
    assert first == second
    assert json.loads(first)["shape"] == [2, 5]
    assert json.loads(first)["lens"] == [3, 5]


def test_undecodable_audio_is_not_sent(serve: Serve) -> None:
    with Client(serve("busy")) as client, pytest.raises(AudioError):
        client.transcribe(b"no audio")


def test_an_array_that_is_no_waveform_is_refused(serve: Serve) -> None:
    with (
        Client(serve()) as client,
        pytest.raises(AudioError, match=r"\[num_samples\], mono; got shape \(2, 5\)"),
    ):
        client.transcribe(np.zeros((2, 5), np.float32))


def test_the_plain_client_works_inside_an_event_loop(serve: Serve, wav: Path) -> None:
    async def notebook() -> int:
        with Client(serve()) as client:
            return client.transcribe(wav).attempts

    assert asyncio.run(notebook()) == 1


def test_waits_grow_and_spread() -> None:
    patience = Patience(first_wait_s=0.1, longest_wait_s=1.0)
    waits = [[patience.wait_s(attempt) for _ in range(200)] for attempt in (1, 3, 9)]
    for longest, drawn in zip((0.2, 0.8, 1.0), waits, strict=True):
        assert longest / 2 <= min(drawn) < 0.6 * longest
        assert 0.9 * longest < max(drawn) <= longest


def test_the_least_patient_client_outlasts_a_restart_of_the_containers() -> None:
    patience = Patience()
    waits = [patience.wait_s(attempt) for attempt in range(1, patience.attempts)]
    assert sum(waits) > 15
