from collections.abc import Callable

import numpy as np
import pytest

from auricle.errors import InvalidRequestError
from auricle.serve.backend.outcomes import CancelledRequestError, StreamOutcome, UnfitRequestError
from auricle.serve.backend.sessions import Place, Sessions, Visit, take_turns
from auricle.serve.backend.stream_table import StreamTable
from auricle.serve.decode.endpoint import NEVER, Rules
from auricle.serve.runner import Tensors
from auricle.serve.stream import Chunk
from tests.conftest import FakeRunner
from tests.serve.test_streaming import SAMPLE_RATE, hear, make, noise

UNFIT = UnfitRequestError("amplitude", "too loud")


def open_sessions(encoder: Callable[[Tensors], Tensors] = hear) -> Sessions:
    return Sessions(make(FakeRunner({"encoder": encoder})), StreamTable(35), NEVER)


def send(
    sessions: Sessions, place: Place, num_samples: int = 500, rules: Rules | None = None
) -> StreamOutcome:
    visit = sessions.admit(place, Chunk(noise(num_samples), place.is_last), rules)
    return sessions.recognise({0: visit})[0]


def text(outcome: StreamOutcome) -> str:
    assert outcome.partial
    return outcome.partial.text


def test_a_sequence_is_one_stream_from_start_to_end() -> None:
    sessions = open_sessions()
    outcomes = [
        send(sessions, place)
        for place in (Place(5, is_first=True), Place(5), Place(5, is_last=True))
    ]
    seconds = [outcome.partial.seconds for outcome in outcomes if outcome.partial]
    assert seconds == [500 / SAMPLE_RATE, 1000 / SAMPLE_RATE, 1500 / SAMPLE_RATE]
    assert len(sessions.table) == 0


def test_a_chunk_without_start_has_no_stream() -> None:
    with pytest.raises(InvalidRequestError, match="no stream 5"):
        send(open_sessions(), Place(5))


def test_a_chunk_behind_the_end_is_told_that_it_is_late() -> None:
    sessions = open_sessions()
    send(sessions, Place(5, is_first=True, is_last=True))
    with pytest.raises(InvalidRequestError, match="no stream 5: it has ended"):
        send(sessions, Place(5))


def test_another_start_begins_anew() -> None:
    sessions = open_sessions()
    first = send(sessions, Place(5, is_first=True))
    assert text(send(sessions, Place(5))).startswith(text(first))
    assert text(send(sessions, Place(5, is_first=True))) == text(first)


def test_an_unfit_chunk_leaves_its_stream_as_it_was() -> None:
    sessions, others = open_sessions(), open_sessions()
    for each in (sessions, others):
        send(each, Place(5, is_first=True))
    sessions.refuse(Place(5), UNFIT)
    assert text(send(sessions, Place(5))) == text(send(others, Place(5)))


@pytest.mark.parametrize(
    ("place", "error", "why"),
    [
        (Place(5, is_last=True), UNFIT, "it has ended"),
        (Place(5, is_first=True), UNFIT, "its first chunk was refused"),
        (Place(5), CancelledRequestError("gone"), "its caller cancelled a chunk"),
    ],
)
def test_a_stream_is_dropped_where_its_caller_cannot_go_on(
    place: Place, error: Exception, why: str
) -> None:
    sessions = open_sessions()
    send(sessions, Place(5, is_first=True))
    assert sessions.refuse(place, error).error is error
    assert len(sessions.table) == 0
    with pytest.raises(InvalidRequestError, match=why):
        send(sessions, Place(5))


def test_a_late_end_keeps_the_reason_why_its_stream_is_gone() -> None:
    sessions = open_sessions()
    sessions.table.drop(5, "it idled out")
    sessions.refuse(Place(5, is_last=True), UNFIT)
    with pytest.raises(InvalidRequestError, match="it idled out"):
        send(sessions, Place(5))


def test_only_the_stream_at_which_the_server_fails_is_lost() -> None:
    def hear_but_choke(batch: Tensors) -> Tensors:
        if (batch["CHUNK"] == 9).any():
            raise RuntimeError("choked")
        return hear(batch)

    sessions, others = open_sessions(hear_but_choke), open_sessions()
    visits = {}
    for index, stream_id in enumerate("abc"):
        send(sessions, Place(stream_id, is_first=True))
        samples = np.full(500, 9, np.float32) if stream_id == "b" else noise(500, index)
        visits[index] = sessions.admit(Place(stream_id), Chunk(samples), None)
    outcomes = sessions.recognise(visits)
    assert [type(outcomes[index].error) for index in range(3)] == [
        type(None), RuntimeError, type(None),
    ]  # fmt: skip
    send(others, Place("c", is_first=True))
    alone = others.recognise({0: others.admit(Place("c"), Chunk(noise(500, 2)), None)})
    assert text(outcomes[2]) == text(alone[0])
    with pytest.raises(InvalidRequestError, match="the server failed at a chunk of it"):
        send(sessions, Place("b"))


def test_rules_are_the_model_s_until_a_chunk_asks_for_others() -> None:
    sessions = open_sessions()
    assert sessions.admit(Place(5, is_first=True), Chunk(noise(1)), None).stream.rules == (NEVER)
    send(sessions, Place(5, is_first=True))
    send(sessions, Place(5), rules=Rules(rule2=0.5))
    assert sessions.admit(Place(5), Chunk(noise(1)), None).stream.rules == Rules(rule2=0.5)


def test_an_outcome_counts_what_was_sent_and_what_was_heard() -> None:
    sessions = open_sessions()
    heard = send(sessions, Place(5, is_first=True), 800)
    assert (heard.num_heard, heard.heard_seconds, heard.audio_seconds) == (0, 0.5, [0.5])
    assert heard.texts == [text(heard)]
    last = send(sessions, Place(5, is_last=True), 800)
    assert (last.num_heard, last.stream_id) == (1, 5)
    assert text(last) == text(heard) + last.texts[0]


def test_two_chunks_of_one_stream_take_turns() -> None:
    places = [Place(stream_id) for stream_id in (1, 2, 1, 3, 1, 2)]
    assert take_turns(places) == [[0, 1, 3], [2, 5], [4]]
    assert take_turns([]) == []


def test_visits_of_one_batch_keep_their_places() -> None:
    sessions = open_sessions()
    visits: dict[int, Visit] = {
        index: sessions.admit(Place(index, is_first=True), Chunk(noise(400, index)), None)
        for index in (4, 2, 7)
    }
    assert {index: each.stream_id for index, each in sessions.recognise(visits).items()} == {
        4: 4, 2: 2, 7: 7,
    }  # fmt: skip
