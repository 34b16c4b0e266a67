"""trtexec's arguments, as TensorRT 10 and 11 take them.

Both were compared at 10.5 and 11.1 in samples/common/sampleOptions.cpp of NVIDIA/TensorRT. A flag
that one of them does not know ends trtexec with an error, so it is refused here, before a start.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from auricle.errors import PlanError
from auricle.spec.plan import HardwareCompatibility, Shapes

Version = tuple[int, ...]  # 10, 16, 0; of some releases the major alone is published
MAJORS = (10, 11)
# The numbers of a strongly typed network are those of the graph, and no other flag may say so.
OF_PRECISION = frozenset(
    ("fp16", "bf16", "int8", "fp8", "int4", "best", "precisionConstraints", "layerPrecisions",
     "layerOutputTypes", "calib", "calibProfile")
)  # fmt: skip
REMOVED_IN_11 = frozenset(("restricted", "weightless"))
ADDED_BEHIND_10_5 = frozenset(  # in 11.1; with which 10 they came is not known
    ("tilingOptimizationLevel", "l2LimitForTiling", "asyncFileReader", "refitFromOnnx",
     "loadRefOutputs", "refPair", "tuneBuildRoutes", "setBuildRoute", "cpuOnly")
)  # fmt: skip
OURS = frozenset(
    ("onnx", "saveEngine", "loadEngine", "minShapes", "optShapes", "maxShapes", "profile",
     "timingCacheFile", "stronglyTyped", "memPoolSize", "noTF32", "builderOptimizationLevel",
     "versionCompatible", "vc", "hardwareCompatibilityLevel", "skipInference")
)  # fmt: skip
WORKSPACE = re.compile(r"\d+(\.\d+)?[BKMG]?")


@dataclass(frozen=True)
class PlanOptions:
    """workspace: scratch memory that a layer may take, "4G"; None: all there is.

    tf32: whether float32 may be multiplied with 10 bits of mantissa, as TensorRT does by itself.
    optimization_level: 0 to 5, None for TensorRT's own 3.  extra: further flags of trtexec.
    """

    workspace: str | None = None
    tf32: bool = True
    optimization_level: int | None = None
    version_compatible: bool = False
    hardware_compatibility: HardwareCompatibility = "none"
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class Files:
    """Paths as trtexec sees them."""

    graph: str
    plan: str
    timing_cache: str


def build_flags(
    files: Files, profiles: Sequence[Shapes], options: PlanOptions, version: Version
) -> list[str]:
    """All arguments of a build; PlanError for what this TensorRT does not know."""
    check_options(options, version)
    flags = [f"--onnx={files.graph}", f"--saveEngine={files.plan}", "--skipInference"]
    if version[0] == 10:  # what 11 always does
        flags.append("--stronglyTyped")
    for index, shapes in enumerate(profiles):
        flags += [f"--profile={index}"] if len(profiles) > 1 else []
        flags += _shape_flags(shapes)
    flags.append(f"--timingCacheFile={files.timing_cache}")
    flags += _choices(options)
    return [*flags, *options.extra]


def check_options(options: PlanOptions, version: Version) -> None:
    if version[0] not in MAJORS:
        raise PlanError(
            f"this is TensorRT {said(version)}, and plans are built by TensorRT 10 and 11; choose "
            "an image of 24.06 or newer with --triton-tag"
        )
    if options.workspace and not WORKSPACE.fullmatch(options.workspace):
        raise PlanError(f"--workspace is {options.workspace!r}; give MiB, or a size such as 4G")
    if options.optimization_level is not None and not 0 <= options.optimization_level <= 5:
        raise PlanError(f"--optimization-level is {options.optimization_level}; known: 0 to 5")
    for flag in options.extra:
        _check_extra(flag, version)


def inference_flags(
    plan: str, inputs: Sequence[tuple[str, str, Sequence[int]]], output: str, profile: int | None
) -> list[str]:
    """Of one run of a plan.  inputs: name, file of raw values, shape.  profile: None of the only.

    output: the file that takes the outputs, JSON.
    """
    loads = ",".join(f"{name}:{file}" for name, file, _ in inputs)
    shapes = ",".join(f"{name}:{_by_x(shape)}" for name, _, shape in inputs)
    return [
        f"--loadEngine={plan}", f"--loadInputs={loads}", f"--shapes={shapes}",
        *([f"--useProfile={profile}"] if profile is not None else []),
        "--iterations=1", "--warmUp=0", "--duration=0", f"--exportOutput={output}",
    ]  # fmt: skip


def said(version: Version) -> str:
    return ".".join(map(str, version))


def _check_extra(flag: str, version: Version) -> None:
    name = flag.removeprefix("--").partition("=")[0]
    if not flag.startswith("--") or name in OURS:
        raise PlanError(f"{flag!r} cannot be given to trtexec beside the options of this command")
    if name in OF_PRECISION:
        raise PlanError(
            f"--{name} is not for strongly typed plans: their precision is that of the graph; "
            "build the graph with --precision"
        )
    is_too_old = len(version) > 1 and version[:2] <= (10, 5) and name in ADDED_BEHIND_10_5
    if is_too_old or (version[0] >= 11 and name in REMOVED_IN_11):
        raise PlanError(
            f"trtexec of TensorRT {said(version)} does not know --{name}; leave it out, or choose "
            "another image with --triton-tag"
        )


def _shape_flags(shapes: Shapes) -> list[str]:
    """Shapes of one profile; of fixed ones trtexec needs none."""
    moving = {name: three for name, three in shapes.items() if three[0] != three[2]}
    return [
        f"--{which}Shapes="
        + ",".join(f"{name}:{_by_x(three[i])}" for name, three in moving.items())
        for i, which in enumerate(("min", "opt", "max"))
        if moving
    ]


def _choices(options: PlanOptions) -> list[str]:
    level, hardware = options.optimization_level, options.hardware_compatibility
    flags = {
        f"--memPoolSize=workspace:{options.workspace}": options.workspace is not None,
        "--noTF32": not options.tf32,
        f"--builderOptimizationLevel={level}": level is not None,
        "--versionCompatible": options.version_compatible,
        f"--hardwareCompatibilityLevel={hardware}": hardware != "none",
    }
    return [flag for flag, is_given in flags.items() if is_given]


def _by_x(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
