from pathlib import Path

import pytest

from auricle.doctor import gpu, releases
from auricle.doctor.containers import Engine
from auricle.doctor.finding import Finding, Level
from auricle.doctor.gpu import Device, Reading
from auricle.doctor.shell import Answer

# In the form of `nvidia-smi --query-gpu=... --format=csv,noheader`.
H200 = "580.82.07, NVIDIA H200, 9.0, 143771 MiB\n"
TWO_T4 = "535.183.01, Tesla T4, 7.5, 15360 MiB\n" * 2
GEFORCE = "550.120, NVIDIA GeForce RTX 4090, 8.9, 24564 MiB\n"
V100 = "580.82.07, Tesla V100-SXM2-16GB, 7.0, 16384 MiB\n"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n"
)
PLAIN = Engine(Path("/"), ("runc",), (), ())


def examine(table: str, tag: str = "26.09") -> dict[str, Finding]:
    reading = Reading(Answer(0, table, ""), frozenset(), has_image=True)
    return {finding.subject: finding for finding in gpu.examine(reading, PLAIN, tag)}


def test_devices_are_read_from_the_table() -> None:
    assert gpu.parse_devices(H200) == [Device((580, 82, 7), "NVIDIA H200", (9, 0), "143771 MiB")]
    assert len(gpu.parse_devices(TWO_T4)) == 2
    assert gpu.parse_devices(f"a warning in one line\n{H200}") == gpu.parse_devices(H200)


def test_a_new_driver_and_gpu_pass() -> None:
    findings = examine(H200)
    assert {findings[name].level for name in ("Triton tag", "driver", "GPU 0")} == {Level.OK}


@pytest.mark.parametrize(("table", "level"), [(TWO_T4, Level.WARN), (GEFORCE, Level.FAIL)])
def test_a_driver_for_cuda_12_is_old_for_cuda_13_and_hears_which_tag_fits(
    table: str, level: Level
) -> None:
    finding = examine(table)["driver"]
    assert finding.level is level
    assert "needs 580 or newer" in finding.found
    assert "--triton-tag 25.07" in finding.advice
    assert examine(table, "25.07-py3")["driver"].level is Level.OK


def test_a_gpu_before_turing_is_refused_from_25_10_on() -> None:
    finding = examine(V100)["GPU 0"]
    assert finding.level is Level.FAIL
    assert "--triton-tag 25.09" in finding.advice
    assert examine(V100, "25.09")["GPU 0"].level is Level.OK


def test_an_unknown_tag_is_a_warning_and_compares_nothing() -> None:
    findings = examine(V100, "31.01")
    assert findings["Triton tag"].level is Level.WARN
    assert findings["GPU 0"].level is findings["driver"].level is Level.OK


@pytest.mark.parametrize(
    ("smi", "found"),
    [
        (None, "no nvidia-smi"),
        (Answer(9, NO_DRIVER, ""), "couldn't communicate"),
        (Answer(0, "", ""), "no GPU"),
        (Answer(None, "", "no answer within 15 s"), "no answer"),
    ],
)
def test_a_driver_that_does_not_answer_fails(smi: Answer | None, found: str) -> None:
    finding = gpu.check_driver(smi, [], releases.find("26.09"))
    assert finding.level is Level.FAIL
    assert found in finding.found


@pytest.mark.parametrize(
    ("runtimes", "devices", "tools", "level", "said"),
    [
        (("runc", "nvidia"), (), {"nvidia-ctk"}, Level.OK, ""),
        (("runc",), ("nvidia.com/gpu=all",), {"nvidia-ctk"}, Level.OK, ""),
        (("runc",), (), {"nvidia-ctk", "cdi"}, Level.OK, ""),
        (("runc",), (), {"nvidia-ctk"}, Level.FAIL, "nvidia-ctk runtime configure"),
        (("runc",), (), set(), Level.FAIL, "install it"),
    ],
)
def test_docker_reaches_gpus_by_the_toolkit(
    runtimes: tuple[str, ...],
    devices: tuple[str, ...],
    tools: set[str],
    level: Level,
    said: str,
) -> None:
    finding = gpu.check_toolkit(Engine(Path("/"), runtimes, (), devices), frozenset(tools))
    assert finding.level is level
    assert said in finding.advice
