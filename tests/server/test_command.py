from dataclasses import replace
from pathlib import Path

import pytest

from auricle.server import Options, Ports, command
from auricle.server.locate import Triton, find_triton

IMAGE = Triton(Path("tritonserver"), Path(), Path(), (), "2.59.1", is_image=True)
OPTIONS = Options([Path("/models")], Ports(1, 2, 3))


def build(triton: Triton, known: set[str]) -> list[str]:
    return command.build_command(triton, OPTIONS, Path("/backends"), "prefix", known)


def test_the_wheels_server_knows_every_flag_that_it_is_given() -> None:
    triton = find_triton()
    known = command.known_flags(triton, command.build_environment(triton, None))
    words = build(triton, known)
    given = {word.removeprefix("--").partition("=")[0] for word in words if word.startswith("--")}
    assert given - {"pdeathsig"} <= known  # setpriv's
    assert {"metrics-address", "disable-auto-complete-config", "allow-gpu-metrics"} <= given


def test_a_flag_that_a_version_does_not_know_is_left_out() -> None:
    words = build(IMAGE, {"exit-timeout-secs"})
    assert "--exit-timeout-secs=10" in words
    assert "--disable-auto-complete-config" not in words


def test_an_image_measures_its_gpus() -> None:
    assert "--allow-gpu-metrics=false" not in build(IMAGE, {"allow-gpu-metrics"})


def test_it_listens_on_the_chosen_address_alone() -> None:
    words = build(IMAGE, {"metrics-address"})
    assert {"--http-address=127.0.0.1", "--grpc-address=127.0.0.1"} <= set(words)
    assert "--metrics-address=127.0.0.1" in words


def test_the_environment_leads_the_stub_to_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/inherited")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    triton = Triton(Path(), Path(), Path(), (Path("/wheel.libs"),), "0.7.0", is_image=False)
    environment = command.build_environment(triton, Path("/python/lib"))
    assert environment["LD_LIBRARY_PATH"] == "/python/lib:/wheel.libs:/inherited"
    assert "PYTHONHOME" not in environment
    assert environment["OMP_NUM_THREADS"] == "3"


def test_graphs_take_the_place_of_plans_by_the_name_of_a_configuration() -> None:
    triton = find_triton()
    known = command.known_flags(triton, command.build_environment(triton, None))
    fallen = replace(OPTIONS, onnx_fallback=True)
    words = command.build_command(triton, fallen, Path("/backends"), "prefix", known)
    assert set(words) - set(build(triton, known)) == {"--model-config-name=onnx"}
    assert "model-config-name" in known


def test_a_plan_with_a_runtime_of_its_own_is_allowed_to_run_it() -> None:
    triton = find_triton()
    portable = replace(OPTIONS, version_compatible=True)
    words = command.build_command(triton, portable, Path("/backends"), "prefix", set())
    plain = command.build_command(triton, OPTIONS, Path("/backends"), "prefix", set())
    added = "--backend-config=tensorrt,version-compatible=true"
    assert set(words) - set(plain) == {added}
