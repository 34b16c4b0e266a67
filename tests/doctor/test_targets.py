from pathlib import Path

import pytest

from auricle import doctor
from auricle.doctor import Target, gpu
from auricle.doctor.gpu import Reading


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def titles(target: Target) -> list[str]:
    return [section.title.split(":")[0] for section in doctor.examine(target, "26.09")]


@pytest.mark.parametrize(
    ("target", "looked_at"),
    [
        (Target.auto, ["This machine", "Without containers"]),
        (Target.laptop, ["This machine", "Without containers"]),
        (Target.docker, ["This machine", "In containers"]),
        (Target.gpu, ["This machine", "In containers", "On the GPU"]),
    ],
)
def test_a_target_is_looked_at_though_its_tools_are_absent(
    target: Target, looked_at: list[str], no_programs: None
) -> None:
    assert titles(target) == looked_at


def test_auto_looks_where_tools_are(tmp_path: Path, no_programs: None) -> None:
    assert doctor.missing_tools() == {Target.docker: "docker", Target.gpu: "nvidia-smi"}
    for name in ("docker", "nvidia-smi"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    assert doctor.missing_tools() == {}
    assert len(titles(Target.auto)) == 4


def test_without_anything_a_gpu_host_needs_a_driver(no_programs: None) -> None:
    assert gpu.read("26.09", None) == Reading(smi=None, tools=frozenset(), has_image=False)
