import pytest

from auricle.errors import InvalidRequestError
from auricle.serve.backend import stream_table
from auricle.serve.backend.stream_table import StreamTable
from auricle.serve.stream import Stream


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(clock: Clock) -> StreamTable:
    return StreamTable(idle_s=35, clock=clock)


def test_a_stream_is_found_as_it_was_kept(table: StreamTable) -> None:
    stream = Stream((7,))
    table.keep("a", stream)
    table.keep(5, Stream((8,)))
    assert table.find("a") is stream


def test_an_unknown_stream_wants_a_start(table: StreamTable) -> None:
    with pytest.raises(InvalidRequestError, match=r"no stream 5: it never began.*START flag"):
        table.find(5)


def test_a_stream_is_reaped_when_nothing_came_for_the_idle_time(
    table: StreamTable, clock: Clock
) -> None:
    table.keep(5, Stream(()))
    clock.now = 30.0
    table.keep(6, Stream(()))
    clock.now = 35.5
    assert table.reap() == 1
    assert len(table) == 1
    with pytest.raises(InvalidRequestError, match=r"stream 5: it idled out, .* for 35 s"):
        table.find(5)


def test_asking_for_a_stream_keeps_it_alive(table: StreamTable, clock: Clock) -> None:
    table.keep(5, Stream(()))
    clock.now = 30.0
    table.find(5)
    clock.now = 60.0
    assert table.reap() == 0


def test_a_stream_that_ended_says_so(table: StreamTable) -> None:
    table.keep(5, Stream(()))
    table.drop(5, "it has ended")
    assert len(table) == 0
    with pytest.raises(InvalidRequestError, match="stream 5: it has ended; begin"):
        table.find(5)


def test_a_new_stream_of_an_old_id_is_no_ghost(table: StreamTable) -> None:
    table.drop(5, "it has ended")
    table.keep(5, Stream((1,)))
    assert table.find(5).memory == (1,)


def test_what_is_known_of_the_gone_is_bounded(
    table: StreamTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_table, "NUM_FAREWELLS", 3)
    for stream_id in range(5):
        table.drop(stream_id, "it has ended")
    with pytest.raises(InvalidRequestError, match="stream 1: it never began, or ended long ago"):
        table.find(1)
    with pytest.raises(InvalidRequestError, match="stream 2: it has ended"):
        table.find(2)
