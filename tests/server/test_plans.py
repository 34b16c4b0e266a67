"""A plan that does not fit the machine is a sentence before the start."""

from dataclasses import replace
from pathlib import Path

import pytest

from auricle.errors import RepositoryError
from auricle.server import Options, plans, repository
from auricle.server.plans import Gpu, Machine, misfit
from auricle.spec.plan import PlanRecord, load_plan

PLAN = PlanRecord("10.16.0", "26.05", "NVIDIA H200", "9.0", "fp32", [], "0", "1", ["trtexec"])
H200, L4, A6000 = Gpu("NVIDIA H200", "9.0"), Gpu("NVIDIA L4", "8.9"), Gpu("NVIDIA RTX A6000", "8.6")
CONFIG = """
backend: "tensorrt" default_model_filename: "model.plan" instance_group { kind: KIND_GPU }
"""


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    version = tmp_path / "models" / "demo__encoder" / "1"
    version.mkdir(parents=True)
    for name in ("model.plan", "model.onnx"):
        (version / name).touch()
    (version / "plan.json").write_text(PLAN.to_json())
    (version.parent / "config.pbtxt").write_text(CONFIG)
    (version.parent / "configs").mkdir()
    fallback = 'backend: "onnxruntime" default_model_filename: "model.onnx"'
    (version.parent / "configs" / "onnx.pbtxt").write_text(fallback)
    return version.parent


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "read_machine", lambda: Machine("11.1.0", (H200,)))


def check(encoder: Path, backends: list[str], *, onnx_fallback: bool = False) -> list[str]:
    models = repository.read_all([encoder.parent])
    return plans.check(models, backends, Options([encoder.parent], onnx_fallback=onnx_fallback))


def test_a_record_is_what_was_written(encoder: Path) -> None:
    assert load_plan(encoder / "1" / "plan.json") == PLAN


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": 9}'])
def test_a_broken_record_is_refused(encoder: Path, text: str) -> None:
    path = encoder / "1" / "plan.json"
    path.write_text(text)
    with pytest.raises(RepositoryError, match=rf"{path}.*build the plan again"):
        load_plan(path)


@pytest.mark.parametrize(
    ("plan", "machine", "why"),
    [
        (PLAN, Machine("10.16.0", (H200,)), None),
        (PLAN, Machine(None, (H200,)), None),
        (
            PLAN,
            Machine("10.16.1", (H200,)),
            "built by TensorRT 10.16.0 of 26.05, and this is 10.16.1",
        ),
        (PLAN, Machine("11.1.0", (H200,)), "this is 11.1.0"),
        (PLAN, Machine("10.16.0", ()), "there is no GPU"),
        (PLAN, Machine("10.16.0", (L4,)), "for NVIDIA H200 .*9.0.*, and here is NVIDIA L4 .8.9."),
        (PLAN, Machine("10.16.0", (H200, L4)), "here is NVIDIA L4"),
    ],
)
def test_a_plan_fits_its_own_tensorrt_and_gpu(
    plan: PlanRecord, machine: Machine, why: str | None
) -> None:
    found = misfit(plan, machine)
    assert (found is None) == (why is None)
    if why:
        with pytest.raises(RepositoryError, match=why):
            raise RepositoryError(found)


@pytest.mark.parametrize(
    ("here", "fits"),
    [("10.16.0", True), ("10.17.0", True), ("11.1.0", True), ("10.15.0", False), ("12.0.0", False)],
)
def test_a_version_compatible_plan_fits_what_is_newer(here: str, fits: bool) -> None:
    plan = replace(PLAN, version_compatible=True)
    assert (misfit(plan, Machine(here, (H200,))) is None) == fits


@pytest.mark.parametrize(
    ("level", "gpu", "fits"),
    [
        ("ampere+", A6000, True),
        ("ampere+", Gpu("Tesla T4", "7.5"), False),
        ("sameComputeCapability", Gpu("NVIDIA H100", "9.0"), True),
        ("sameComputeCapability", L4, False),
        ("none", Gpu("NVIDIA H100", "9.0"), False),
    ],
)
def test_a_hardware_compatible_plan_fits_others(level: str, gpu: Gpu, fits: bool) -> None:
    plan = replace(PLAN, hardware_compatibility=level)  # type: ignore[arg-type]
    assert (misfit(plan, Machine("10.16.0", (gpu,))) is None) == fits


def test_only_the_gpus_that_serve_it_count() -> None:
    machine = Machine("10.16.0", (L4, H200))
    assert misfit(PLAN, machine, [1]) is None
    assert "L4" in str(misfit(PLAN, machine, [0]))
    assert "for GPU 2, and there are 2" in str(misfit(PLAN, machine, [2]))


def test_a_triton_without_the_backend_has_no_plans(encoder: Path) -> None:
    with pytest.raises(RepositoryError, match=r"has no backend tensorrt;.*--onnx-fallback"):
        check(encoder, ["onnxruntime", "python"])


def test_a_plan_of_another_tensorrt_is_refused(encoder: Path, machine: None) -> None:
    with pytest.raises(RepositoryError, match=r"built by TensorRT 10\.16\.0.*--onnx-fallback"):
        check(encoder, ["tensorrt", "python"])


def test_its_graph_may_take_its_place(encoder: Path) -> None:
    (note,) = check(encoder, ["python"], onnx_fallback=True)
    assert note.startswith("demo__encoder by ONNX Runtime: it is a TensorRT plan")
    (model,) = repository.check([encoder.parent], ["onnxruntime"], "onnx")
    assert model.backend == "onnxruntime"


def test_without_a_graph_nothing_can(encoder: Path) -> None:
    (encoder / "configs" / "onnx.pbtxt").unlink()
    with pytest.raises(RepositoryError, match="to fall back to"):
        check(encoder, ["python"], onnx_fallback=True)
    with pytest.raises(RepositoryError, match=r"build it here with `auricle build[^,]*$"):
        check(encoder, ["python"])


def test_a_plan_that_fits_needs_no_fallback(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "read_machine", lambda: Machine("10.16.0", (H200,)))
    assert check(encoder, ["tensorrt"], onnx_fallback=True) == []


def test_a_plan_of_somebody_else_is_tritons_to_judge(encoder: Path, machine: None) -> None:
    (encoder / "1" / "plan.json").unlink()
    assert check(encoder, ["tensorrt"]) == []


def test_the_library_tells_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "libnvinfer.so",
        "libnvinfer.so.10",
        "libnvinfer.so.10.16.0",
        "libnvinfer_plugin.so.10.1.2",
    ):
        (tmp_path / name).touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    assert plans.find_tensorrt() == "10.16.0"


def test_a_machine_is_what_nvidia_smi_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text('#!/bin/sh\necho "NVIDIA H200, 9.0"\necho "NVIDIA L4, 8.9"\n')
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert plans.read_machine().gpus == (H200, L4)
    smi.write_text("#!/bin/sh\nexit 9\n")
    assert plans.read_machine().gpus == ()


@pytest.mark.parametrize("portable", [True, False])
def test_a_portable_plan_is_known_by_its_record(encoder: Path, *, portable: bool) -> None:
    record = replace(PLAN, version_compatible=portable)
    (encoder / "1" / "plan.json").write_text(record.to_json())
    assert plans.has_portable(repository.read_all([encoder.parent])) == portable
