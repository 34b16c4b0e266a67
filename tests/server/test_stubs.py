import subprocess
import sys
from pathlib import Path

from auricle.server.stubs import dead_stubs, has_died
from tests.live.processes import wait_until

PARENT = """
import subprocess, sys, time
children = [subprocess.Popen(["sleep", "60"]), subprocess.Popen(["true"])]
print(children[0].pid, children[1].pid, flush=True)
sys.stdin.read()
children[0].kill()
"""


def test_a_child_that_nobody_reaps_is_dead_and_a_living_one_is_not() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        _living, dead = map(int, parent.stdout.readline().split())
        assert wait_until(lambda: dead_stubs(parent.pid) == {dead}, 5)
        assert dead_stubs(1) - {dead} == dead_stubs(1)


def test_what_is_no_process_has_not_died() -> None:
    assert not has_died(Path("/proc/self"), 1)
    assert not has_died(Path("/proc/0"), 1)
