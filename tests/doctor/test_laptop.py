import importlib.metadata

import pytest

from auricle.doctor import laptop
from auricle.doctor.finding import Level
from auricle.errors import ServerError
from auricle.server import host, locate


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 9, 18), Level.FAIL),
        ((3, 10, 0), Level.OK),
        ((3, 12, 9), Level.OK),
        ((3, 13, 0), Level.FAIL),
    ],
)
def test_pythons_that_have_a_stub_pass(version: tuple[int, int, int], level: Level) -> None:
    assert laptop.check_python(version).level is level


def test_an_absent_package_says_how_to_install_it() -> None:
    finding = laptop.check_package("onnxruntime", None)
    assert finding.level is Level.FAIL
    assert "pip install 'auricle[server-cpu]'" in finding.advice
    assert laptop.check_package("onnxruntime", "1.31.1").level is Level.OK


def test_the_package_for_gpus_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(name: str) -> str:
        if name != "onnxruntime-gpu":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.28.0"

    monkeypatch.setattr(importlib.metadata, "version", read)
    assert laptop.read_version("onnxruntime") == "1.28.0"
    assert laptop.read_version("tritonclient") is None


@pytest.mark.parametrize(
    ("free", "level"),
    [(16 << 20, Level.FAIL), (64 << 20, Level.WARN), (1 << 30, Level.OK)],
)
def test_shared_memory_is_32_mib_an_instance_and_better_a_gib(free: int, level: Level) -> None:
    finding = laptop.check_shared_memory(1 << 30, free)
    assert finding.level is level
    assert f"room for {free >> 25} model instances" in finding.found


def test_a_machine_without_the_wheel_still_hears_of_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find() -> locate.Triton:
        raise ServerError("no tritonserver; install one")

    monkeypatch.setattr(locate, "find_triton", find)
    findings = {finding.subject: finding for finding in laptop.examine_triton()}
    assert findings["glibc"].level is Level.OK
    assert findings["tritonserver"].level is Level.FAIL
    assert findings["tritonserver"].advice == "install one"


def test_an_old_glibc_is_told_in_the_servers_own_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(triton: locate.Triton) -> None:
        raise ServerError("needs glibc 2.35; use Debian 12")

    monkeypatch.setattr(host, "check_glibc", check)
    findings = {finding.subject: finding for finding in laptop.examine_triton()}
    assert (findings["glibc"].found, findings["glibc"].advice) == (
        "needs glibc 2.35",
        "use Debian 12",
    )


def test_this_machine_can_serve() -> None:
    assert not [one for one in laptop.examine() if one.level is Level.FAIL]
