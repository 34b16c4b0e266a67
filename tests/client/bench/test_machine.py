import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from auricle.client.bench import machine

HOLD_50_MB = "import sys; x = bytearray(50_000_000); print('ready', flush=True); sys.stdin.read()"


@pytest.fixture
def child() -> Iterator[int]:
    command = [sys.executable, "-c", HOLD_50_MB]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_memory_of_children_counts(child: int) -> None:
    alone, family = machine.usage(child), machine.usage(os.getpid())
    assert alone
    assert family
    assert alone.rss_bytes > 50e6
    assert family.rss_bytes > alone.rss_bytes


def test_processor_time_grows_with_work() -> None:
    before = machine.usage(os.getpid())
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    after = machine.usage(os.getpid())
    assert before
    assert after
    assert after.cpu_s > before.cpu_s


def test_a_process_that_is_gone_has_no_usage() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert machine.usage(process.pid) is None


def test_a_name_may_hold_brackets_and_spaces() -> None:
    fields = ["S", "42", *["0"] * 9, "100", "200", *["0"] * 8, "3", "0"]
    process = machine._parse(f"7 (odd) (name) {' '.join(fields)}")
    assert (process.name, process.parent) == ("odd) (name", 42)
    assert process.usage.rss_bytes == 3 * os.sysconf("SC_PAGE_SIZE")
    assert process.usage.cpu_s == 300 / os.sysconf("SC_CLK_TCK")


def test_a_watch_looks_at_the_start_and_at_the_end() -> None:
    async def watch(pid: int | None) -> list[machine.Usage]:
        async with machine.watched(pid, period_s=0.01) as found:
            await asyncio.sleep(0.03)
        return found

    found = asyncio.run(watch(os.getpid()))
    assert len(found) >= 2
    assert [each.at_s for each in found] == sorted(each.at_s for each in found)
    assert asyncio.run(watch(None)) == []


def test_a_server_elsewhere_is_not_looked_for_here() -> None:
    assert machine.find_server("asr.example.org:8001") is None


def test_the_machine_is_described() -> None:
    here = machine.describe()
    assert here.cores == len(os.sched_getaffinity(0))
    assert here.memory_gb > 0
    assert "unknown" not in here.cpu
    assert here.packages["numpy"]
