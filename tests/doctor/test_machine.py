import os
import socket
from pathlib import Path

import pytest

from auricle.doctor import machine
from auricle.doctor.finding import Level
from auricle.doctor.machine import Memory

MEMINFO = "MemTotal:       24684096 kB\nMemFree:        17084416 kB\nMemAvailable:   18659328 kB\n"
# Of /proc/net/tcp: port 8000 listens on 127.0.0.1; a connection to 8000 does not.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1
   1: 0100007F:C350 0100007F:1F40 01 00000000:00000000 00:00000000 00000000  1000        0 4243 1
"""


def test_memory_is_read_from_the_kernels_table() -> None:
    assert machine.read_memory(MEMINFO) == Memory(24684096 << 10, 18659328 << 10)


@pytest.mark.parametrize(("num_cpus", "level"), [(1, Level.WARN), (2, Level.OK), (64, Level.OK)])
def test_one_cpu_is_few(num_cpus: int, level: Level) -> None:
    assert machine.check_cpus(num_cpus).level is level


def test_little_memory_is_a_warning() -> None:
    assert machine.check_memory(Memory(8 << 30, 1 << 30)).level is Level.WARN
    assert machine.check_memory(Memory(8 << 30, 4 << 30)).found == "4.0 GiB free of 8.0 GiB"


def test_a_free_port_is_fine() -> None:
    assert machine.check_port(8000, "http", None, None).level is Level.OK


@pytest.mark.parametrize("listener", ["tritonserver (process 7)", None])
def test_a_taken_port_says_by_whom_and_what_to_do(listener: str | None) -> None:
    finding = machine.check_port(8000, "http", "Address already in use", listener)
    assert finding.level is Level.FAIL
    assert (listener or "`sudo ss -ltnp`") in finding.found
    assert "--http-port" in finding.advice
    assert "AURICLE_HTTP_PORT" in finding.advice


def test_only_listening_sockets_count() -> None:
    assert dict(machine.listening(TCP.splitlines())) == {"4242": 8000}


def test_a_listener_of_ours_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert f"(process {os.getpid()})" in dict(machine.read_listeners())[port]


def test_a_full_disk_is_a_warning(tmp_path: Path) -> None:
    assert machine.check_disk("cache", tmp_path, 1 << 30, 2 << 30).level is Level.WARN
    assert machine.check_disk("cache", tmp_path, 3 << 30, 2 << 30).level is Level.OK


def test_the_disk_of_a_folder_to_be_made_is_that_of_the_one_above(tmp_path: Path) -> None:
    assert machine.free_disk(tmp_path / "not" / "yet") > 0
