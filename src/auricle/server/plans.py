"""Whether the TensorRT plans of a repository fit this machine, before Triton finds out.

A plan is bound to the TensorRT that built it and to the kind of GPU; plan.json beside it says to
which. Triton would say so too, after minutes, in TensorRT's words.
"""

import os
import re
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from auricle.errors import RepositoryError
from auricle.server.options import Options
from auricle.server.repository import DEFAULT_FILE_NAMES, Model
from auricle.spec.plan import ONNX_CONFIG, RECORD_FILE, PlanRecord, load_plan

TENSORRT = "tensorrt"
LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib")
LIBRARY = re.compile(r"libnvinfer\.so\.(\d+\.\d+\.\d+)")
QUERY = ("nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader")
SMI_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Gpu:
    """capability: 9.0."""

    name: str
    capability: str


@dataclass(frozen=True)
class Machine:
    """tensorrt: 10.16.0, None where its library was not found.  gpus: by index."""

    tensorrt: str | None
    gpus: tuple[Gpu, ...]


def check(models: Sequence[Model], backends: Collection[str], options: Options) -> list[str]:
    """What does not fit, if graphs may take its place; else RepositoryError for the first."""
    plans = [model for model in models if model.backend == TENSORRT]
    if not plans:
        return []
    machine = read_machine() if TENSORRT in backends else None
    misfits = [(model, why) for model in plans if (why := find_misfit(model, machine))]
    for model, why in misfits:
        if not options.onnx_fallback:
            raise RepositoryError(f"{model.folder}: {why}; {remedy(model)}")
        if not fallback(model).is_file():
            raise RepositoryError(
                f"{model.folder}: {why}, and there is no {fallback(model)} to fall back to; "
                "`auricle build --backend tensorrt` writes one"
            )
    return [f"{model.name} by ONNX Runtime: {why}" for model, why in misfits]


def has_portable(models: Sequence[Model]) -> bool:
    """Whether a plan brings the runtime of its own TensorRT, which Triton runs only if told to."""
    records = [model.version / RECORD_FILE for model in models if model.backend == TENSORRT]
    return any(load_plan(path).version_compatible for path in records if path.is_file())


def remedy(model: Model) -> str:
    fits = "build it here with `auricle build --backend tensorrt`"
    if fallback(model).is_file():
        return f"{fits}, or serve its graph with --onnx-fallback"
    return fits


def fallback(model: Model) -> Path:
    return model.folder / "configs" / f"{ONNX_CONFIG}.pbtxt"


def find_misfit(model: Model, machine: Machine | None) -> str | None:
    """Why a plan cannot run here; None if it can, or is not one of ours.

    machine: None for a Triton without the backend tensorrt.
    """
    if machine is None:
        return "it is a TensorRT plan, and this tritonserver has no backend tensorrt"
    file_name = model.config.default_model_filename or DEFAULT_FILE_NAMES[TENSORRT]
    record = model.version / RECORD_FILE
    if not record.is_file() or model.config.cc_model_filenames:
        return None  # Triton is asked
    if not (model.version / file_name).is_file():
        return f"there is no {model.version / file_name}"
    wanted = [index for group in model.config.instance_group for index in group.gpus]
    return misfit(load_plan(record), machine, wanted)


def misfit(plan: PlanRecord, machine: Machine, indices: Sequence[int] = ()) -> str | None:
    """indices: of the GPUs that are to run it, empty for all."""
    if not machine.gpus:
        return "it is a TensorRT plan, and there is no GPU"
    missing = [index for index in indices if index >= len(machine.gpus)]
    if missing:
        return f"it is for GPU {missing[0]}, and there are {len(machine.gpus)}"
    if machine.tensorrt and not _takes(plan, machine.tensorrt):
        return (
            f"the plan was built by TensorRT {plan.tensorrt}"
            f"{f' of {plan.triton_tag}' if plan.triton_tag else ''}, and this is "
            f"{machine.tensorrt}"
        )
    gpus = [machine.gpus[index] for index in indices] or machine.gpus
    other = next((gpu for gpu in gpus if not _runs_on(plan, gpu)), None)
    if other:
        return (
            f"the plan is for {plan.gpu} (compute capability {plan.compute_capability}), and here "
            f"is {other.name} ({other.capability})"
        )
    return None


def read_machine() -> Machine:
    answer = _ask(QUERY)
    rows = [line.rpartition(",") for line in answer.splitlines() if "," in line]
    gpus = tuple(Gpu(name.strip(), capability.strip()) for name, _, capability in rows)
    return Machine(find_tensorrt(), gpus)


def find_tensorrt() -> str | None:
    """By the name of its library, as an image has it."""
    told = [Path(folder) for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    for folder in (*told, *map(Path, LIBRARIES)):
        for path in sorted(folder.glob("libnvinfer.so.*"), reverse=True):
            if found := LIBRARY.fullmatch(path.name):
                return found[1]
    return None


def _takes(plan: PlanRecord, tensorrt: str) -> bool:
    """A version-compatible plan runs in later TensorRTs of its major, and one of 10 in 11."""
    built, here = _numbers(plan.tensorrt), _numbers(tensorrt)
    if not plan.version_compatible:
        return built == here
    return here >= built and (here[0] == built[0] or (built[0], here[0]) == (10, 11))


def _runs_on(plan: PlanRecord, gpu: Gpu) -> bool:
    if plan.hardware_compatibility == "ampere+":
        return _numbers(gpu.capability) >= (8, 0)
    is_same = gpu.capability == plan.compute_capability
    if plan.hardware_compatibility == "sameComputeCapability":
        return is_same
    return is_same and gpu.name == plan.gpu


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _ask(command: Sequence[str]) -> str:
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SMI_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout if answer.returncode == 0 else ""
