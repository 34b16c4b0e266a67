from dataclasses import replace
from pathlib import Path

import pytest

from auricle.client.bench import machine, record
from auricle.client.bench.load import Answer
from auricle.client.bench.machine import Usage
from auricle.client.bench.report import Summary, Truth, markdown, summarise
from auricle.client.bench.run import Counters, Run
from auricle.errors import ManifestError

TRUTH = Truth(["a", "b"], [2.0, 4.0], ["one", "two"])
ANSWERS = [
    Answer(0, 0.0, 0.1, "one"),
    Answer(1, 0.0, 0.3, "two"),
    Answer(0, 0.2, 0.2, "three"),
    Answer(1, 0.2, 0.0, None, "full", is_refused=True),
]
RUN = Run(
    load="concurrency 2",
    wall_s=2.0,
    client_cpu_s=0.5,
    answers=ANSWERS,
    server=[Usage(10.0, 100_000_000), Usage(12.0, 110_000_000, 1.0), Usage(13.0, 121_000_000, 2.0)],
    counters={"demo": Counters(3, 1, 4, 2, queue_ns=6_000_000, compute_ns=30_000_000)},
)


@pytest.fixture
def summary() -> Summary:
    return summarise(RUN, TRUTH, "demo", ceiling=6.0)


def test_only_right_transcripts_make_throughput(summary: Summary) -> None:
    assert summary.throughput == (2.0 + 4.0) / 2.0
    assert summary.efficiency == 0.5


def test_errors_and_other_transcripts_are_failures(summary: Summary) -> None:
    assert (summary.requests, summary.failed) == (4, 2)
    assert (summary.refused, summary.mismatched) == (1, 1)


def test_latency_is_of_the_answered(summary: Summary) -> None:
    assert summary.latency_ms["mean"] == pytest.approx(200)
    assert summary.latency_ms["p50"] == pytest.approx(200)
    assert summary.latency_ms["p99"] == pytest.approx(298)


def test_tritons_own_times_are_means_of_the_called_model(summary: Summary) -> None:
    assert (summary.queue_ms, summary.compute_ms, summary.batch) == (2.0, 10.0, 2.0)
    other = summarise(RUN, TRUTH, "other")
    assert (other.queue_ms, other.compute_ms, other.batch) == (None, None, None)


def test_processor_time_is_counted_in_cores(summary: Summary) -> None:
    assert (summary.client_cores, summary.server_cores) == (0.25, 1.5)


def test_memory_is_that_after_a_quarter_and_at_the_end(summary: Summary) -> None:
    assert summary.rss_mb == (110.0, 121.0)


def test_nobody_watched_leaves_the_servers_figures_out() -> None:
    unwatched = summarise(replace(RUN, server=[], counters={}), TRUTH)
    assert (unwatched.server_cores, unwatched.rss_mb, unwatched.efficiency) == (None, None, None)
    assert "RSS" not in markdown([unwatched])


def test_a_load_has_one_row_with_the_median_of_its_runs(summary: Summary) -> None:
    faster = replace(summary, throughput=5.0)
    slower = replace(summary, throughput=1.0)
    other = replace(summary, load="concurrency 4")
    header, _, row, last = markdown([summary, faster, other, slower]).splitlines()
    cells = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    assert (cells["| load"], cells["runs"], cells["requests"]) == ("| concurrency 2", "3", "12")
    assert cells["audio s/s"] == "3.0 (1.0 to 5.0)"
    assert last.startswith("| concurrency 4 | 1 | 4 | 2 | 3.0 | ")


def test_figures_come_back_from_a_saved_record(summary: Summary, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    measured = [record.Measured(RUN, summary, 6.0)]
    saved = record.Record(machine.describe(), "triton 2.51.0", "demo", TRUTH, measured, {})
    saved.save(path)
    assert markdown(record.load_summaries(path)) == markdown([summary])


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"measured": [{}]}')
    with pytest.raises(ManifestError, match="is not a record"):
        record.load_summaries(path)
