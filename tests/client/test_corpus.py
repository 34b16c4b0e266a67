import asyncio
import json
from pathlib import Path

import pytest

from auricle.client import AsyncClient, Patience
from auricle.client.corpus import Load, Outcome, transcribe_corpus
from auricle.client.manifests import Pipe, Utterance
from auricle.errors import AudioError, BusyError, InvalidRequestError, UnreachableError
from tests.client.conftest import Serve, write_wav

HURRIED = Patience(attempts=2, first_wait_s=0.01)


def transcribe(url: str, utterances: list[Utterance], load: Load) -> dict[str, Outcome]:
    async def run() -> dict[str, Outcome]:
        async with AsyncClient(url, patience=HURRIED) as client:
            return {one.id: one async for one in transcribe_corpus(client, utterances, load)}

    return asyncio.run(run())


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    """u1 to u7, of 1 to 7 samples."""
    return [Utterance(f"u{n}", write_wav(tmp_path / f"{n}.wav", n)) for n in range(1, 8)]


def lens(outcome: Outcome) -> list[int]:
    """What the request held, all its rows."""
    assert outcome.transcription is not None
    sent: list[int] = json.loads(outcome.transcription.text)["lens"]
    return sent


@pytest.mark.parametrize("num_tasks", [1, 3, 100])
def test_every_utterance_has_one_outcome(
    num_tasks: int, serve: Serve, utterances: list[Utterance]
) -> None:
    outcomes = transcribe(serve(), utterances, Load(num_tasks))
    assert {name: lens(one) for name, one in outcomes.items()} == {
        f"u{n}": [n] for n in range(1, 8)
    }


def test_batches_share_a_request(serve: Serve, utterances: list[Utterance]) -> None:
    outcomes = transcribe(serve(), utterances, Load(batch_size=3))
    assert [lens(outcomes[f"u{n}"]) for n in (1, 4, 7)] == [[1, 2, 3], [4, 5, 6], [7]]


def test_every_request_carries_the_parameters(serve: Serve, utterances: list[Utterance]) -> None:
    asked: dict[str, str | int] = {"asr_language": "en", "asr_beam": 4}
    for one in transcribe(serve(), utterances, Load(batch_size=3, parameters=asked)).values():
        assert one.transcription is not None
        assert json.loads(one.transcription.text)["parameters"] == asked


def test_a_missing_file_fails_alone(serve: Serve, utterances: list[Utterance]) -> None:
    utterances[1] = Utterance("gone", Path("gone.wav"))
    outcomes = transcribe(serve(), utterances, Load(batch_size=3))
    assert isinstance(outcomes["gone"].error, AudioError)
    assert lens(outcomes["u1"]) == [1, 3]
    assert sum(one.error is None for one in outcomes.values()) == 6


def test_a_batch_that_is_refused_is_sent_one_by_one(
    serve: Serve, utterances: list[Utterance]
) -> None:
    load = Load(num_tasks=1, batch_size=3)
    outcomes = transcribe(serve("invalid", "ok", "invalid"), utterances, load)
    assert [name for name, one in outcomes.items() if one.error] == ["u2"]
    assert isinstance(outcomes["u2"].error, InvalidRequestError)
    assert lens(outcomes["u3"]) == [3]


def test_an_utterance_that_finds_the_server_busy_fails_alone(
    serve: Serve, utterances: list[Utterance]
) -> None:
    outcomes = transcribe(serve("busy", "busy"), utterances, Load(num_tasks=1))
    assert [name for name, one in outcomes.items() if one.error] == ["u1"]
    assert isinstance(outcomes["u1"].error, BusyError)


def test_a_server_that_goes_ends_the_run(serve: Serve, utterances: list[Utterance]) -> None:
    with pytest.raises(UnreachableError):
        transcribe(serve("ok", "lost"), utterances, Load(num_tasks=1))


def test_the_output_of_a_pipe_is_sent(serve: Serve, tmp_path: Path) -> None:
    write_wav(tmp_path / "5.wav", 5)
    pipes = {"good": Pipe(f"cat {tmp_path}/5.wav"), "bad": Pipe("false")}
    outcomes = transcribe(serve(), [Utterance(*pipe) for pipe in pipes.items()], Load())
    assert lens(outcomes["good"]) == [5]
    assert str(outcomes["bad"].error) == "'false' ended with 1: "
