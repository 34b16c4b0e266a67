import json
from dataclasses import replace
from pathlib import Path

import pytest

from auricle.client.bench import machine
from auricle.client.bench.machine import Usage
from auricle.client.bench.report import Truth
from auricle.client.bench.run import Counters
from auricle.client.bench.streaming.experiment import MeasuredLevel
from auricle.client.bench.streaming.level import Level
from auricle.client.bench.streaming.record import StreamRecord
from auricle.client.bench.streaming.report import (
    LevelRun,
    StreamSummary,
    conclude,
    largest,
    markdown,
    summarise,
)
from auricle.client.bench.streaming.talk import Heard

TRUTH = Truth(["a", "b"], [1.0, 2.0], ["one", "two"])
GOOD = Heard(0, "one", [101.0, 109.5, 110.5], [0.1, 0.3, 0.2], 1.1)
RUN = LevelRun(
    level=Level(2, seconds=10.0, chunk_s=0.25),
    begin=100.0,
    wall_s=12.0,
    client_cpu_s=0.6,
    heard=[GOOD, replace(GOOD, index=1, text="two")],
    server=[Usage(10.0, 1), Usage(20.0, 1, 10.0)],
    counters={"live": Counters(requests=20, inferences=20, executions=10, busy_ns=40_000_000)},
)


@pytest.fixture
def summary() -> StreamSummary:
    return summarise(RUN, TRUTH, "live")


def test_chunks_count_that_were_due_while_all_streams_ran(summary: StreamSummary) -> None:
    assert summary.chunks == 4
    assert summary.chunk_ms["mean"] == pytest.approx(200)


def test_the_last_chunk_of_each_stream_gives_its_final_text(summary: StreamSummary) -> None:
    assert summary.final_ms["p50"] == pytest.approx(200)
    assert summary.first_text_ms["p50"] == pytest.approx(1100)


def test_another_text_than_alone_is_a_failure() -> None:
    crossed = replace(RUN, heard=[GOOD, replace(GOOD, index=1)])
    assert (summarise(crossed, TRUTH).failed, summarise(crossed, TRUTH).mismatched) == (1, 1)
    broken = replace(RUN, heard=[GOOD, replace(GOOD, text=None, error="gone")])
    assert (summarise(broken, TRUTH).failed, summarise(broken, TRUTH).mismatched) == (1, 0)


def test_a_level_is_sustained_if_p95_is_under_a_chunk_and_nothing_failed(
    summary: StreamSummary,
) -> None:
    assert not summary.is_sustained  # p95 is 0.3 s, a chunk 0.25 s
    longer = replace(RUN, level=Level(2, 10.0, chunk_s=0.4))
    assert summarise(longer, TRUTH).is_sustained
    assert not summarise(replace(longer, heard=[replace(GOOD, index=1)]), TRUTH).is_sustained


def test_a_level_too_short_for_any_chunk_proves_nothing() -> None:
    assert not summarise(replace(RUN, level=Level(2, 0.5, chunk_s=0.4)), TRUTH).is_sustained


def test_an_execution_counts_once_for_all_its_chunks(summary: StreamSummary) -> None:
    assert (summary.batch, summary.step_ms) == (2.0, 2.0)
    assert summarise(RUN, TRUTH, "other").step_ms is None


def test_processor_time_is_counted_in_cores(summary: StreamSummary) -> None:
    assert summary.client_cores == pytest.approx(0.05)
    assert summary.server_cores == 1.0
    assert summary.cpu_ms == pytest.approx(10_000 / 6)


def test_the_largest_is_below_the_first_that_breaks(summary: StreamSummary) -> None:
    levels = [
        replace(summary, streams=streams, is_sustained=held)
        for streams, held in [(1, True), (8, True), (4, True), (6, False), (16, False)]
    ]
    assert [one.streams for one in largest(levels)] == [4]
    assert largest(levels[3:]) == []


def test_the_conclusion_is_of_the_middle_run(summary: StreamSummary) -> None:
    runs = [
        replace(summary, streams=8, is_sustained=held, chunk_ms={"p95": late_ms})
        for held, late_ms in [(True, 90.0), (False, 300.0), (True, 100.0)]
    ]
    assert "latency is 100 ms" in conclude(runs, 250, cores=2)
    assert "not even the fewest" in conclude([*runs[1:2], *runs[:1]], 250, cores=2)


def test_the_conclusion_states_the_load_generators_share(summary: StreamSummary) -> None:
    held = replace(summary, streams=7, is_sustained=True, client_cores=0.1)
    words = conclude([held], 320, cores=2)
    assert words.startswith("7 real-time streams sustained: ")
    assert "under a chunk's 320 ms" in words
    assert words.endswith("took 0.10 of 2 cores (5.0%)")
    assert "not even the fewest" in conclude([summary], 320, cores=2)


def test_the_table_has_a_row_a_level_in_order(summary: StreamSummary) -> None:
    header, _, first, second = markdown([replace(summary, streams=9), summary]).splitlines()
    cells = dict(zip(header.split(" | "), first.split(" | "), strict=True))
    assert (cells["| streams"], cells["chunk p50 ms"], cells["failed"]) == ("| 2", "200", "0")
    assert second.startswith("| 9 | ")


def test_a_record_keeps_every_latency(summary: StreamSummary, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    measured = [MeasuredLevel(RUN, summary)]
    StreamRecord(machine.describe(), "triton", "live", TRUTH, measured, {"chunk_ms": 250}).save(
        path
    )
    saved = json.loads(path.read_text())
    (level,) = saved["measured"]
    assert level["summary"]["chunks"] == 4
    assert level["run"]["heard"][0]["latencies_s"] == [0.1, 0.3, 0.2]
    assert level["run"]["heard"][0]["dues_s"] == [1.0, 9.5, 10.5]
    assert level["run"]["heard"][0]["text"] is True
    assert saved["details"] == {"chunk_ms": 250}
