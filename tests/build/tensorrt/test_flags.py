"""trtexec's arguments: what TensorRT 10 and 11 take, and what neither is given."""

import pytest

from auricle.build.tensorrt.flags import (
    Files,
    PlanOptions,
    build_flags,
    check_options,
    inference_flags,
)
from auricle.errors import PlanError
from auricle.spec.plan import Shapes

FILES = Files("/graphs/m.onnx", "/draft/m.plan", "/draft/t.cache")
SHORT: Shapes = {"WAV": [[1, 1600], [8, 64000], [32, 160000]], "WAV_LENS": [[1], [8], [32]]}
LONG: Shapes = {"WAV": [[1, 160000], [8, 320000], [32, 624000]], "WAV_LENS": [[1], [8], [32]]}
TEN, ELEVEN = (10, 16, 0), (11, 1, 0)


PLAIN = PlanOptions()


def flags(version: tuple[int, ...], options: PlanOptions = PLAIN) -> list[str]:
    return build_flags(FILES, [SHORT], options, version)


def test_a_plan_is_built_and_not_run() -> None:
    assert flags(ELEVEN) == [
        "--onnx=/graphs/m.onnx",
        "--saveEngine=/draft/m.plan",
        "--skipInference",
        "--minShapes=WAV:1x1600,WAV_LENS:1",
        "--optShapes=WAV:8x64000,WAV_LENS:8",
        "--maxShapes=WAV:32x160000,WAV_LENS:32",
        "--timingCacheFile=/draft/t.cache",
    ]


def test_only_10_must_be_told_to_keep_the_types_of_the_graph() -> None:
    assert [flag for flag in flags(TEN) if flag not in flags(ELEVEN)] == ["--stronglyTyped"]


def test_several_profiles_are_numbered_from_0() -> None:
    both = build_flags(FILES, [SHORT, LONG], PlanOptions(), TEN)
    shapes = [flag for flag in both if "rofile=" in flag or "Shapes=" in flag]
    assert [flag.partition(":")[0] for flag in shapes] == [
        "--profile=0", "--minShapes=WAV", "--optShapes=WAV", "--maxShapes=WAV",
        "--profile=1", "--minShapes=WAV", "--optShapes=WAV", "--maxShapes=WAV",
    ]  # fmt: skip


def test_fixed_shapes_need_no_flags() -> None:
    fixed: Shapes = {"STATE": [[4, 7]] * 3, "CHUNK": [[1, 9], [4, 9], [8, 9]]}
    moving = [flag for flag in build_flags(FILES, [fixed], PlanOptions(), TEN) if "Shapes" in flag]
    assert moving == ["--minShapes=CHUNK:1x9", "--optShapes=CHUNK:4x9", "--maxShapes=CHUNK:8x9"]


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        (PlanOptions(workspace="4G"), "--memPoolSize=workspace:4G"),
        (PlanOptions(tf32=False), "--noTF32"),
        (PlanOptions(optimization_level=0), "--builderOptimizationLevel=0"),
        (PlanOptions(version_compatible=True), "--versionCompatible"),
        (PlanOptions(hardware_compatibility="ampere+"), "--hardwareCompatibilityLevel=ampere+"),
        (PlanOptions(extra=("--maxAuxStreams=2",)), "--maxAuxStreams=2"),
    ],
)
@pytest.mark.parametrize("version", [TEN, ELEVEN])
def test_a_choice_is_one_flag(version: tuple[int, ...], options: PlanOptions, flag: str) -> None:
    assert [each for each in flags(version, options) if each not in flags(version)] == [flag]


@pytest.mark.parametrize("flag", ["--fp16", "--int8", "--best", "--precisionConstraints=obey"])
@pytest.mark.parametrize("version", [TEN, ELEVEN])
def test_precision_is_the_graphs_alone(version: tuple[int, ...], flag: str) -> None:
    with pytest.raises(PlanError, match=r"precision is that of the graph.*--precision"):
        check_options(PlanOptions(extra=(flag,)), version)


@pytest.mark.parametrize(
    ("flag", "version", "known_by"),
    [
        ("--restricted", ELEVEN, TEN),
        ("--weightless", ELEVEN, TEN),
        ("--refitFromOnnx=x", (10, 5, 0), ELEVEN),
    ],
)
def test_a_flag_that_one_major_lacks_is_refused_there_alone(
    flag: str, version: tuple[int, ...], known_by: tuple[int, ...]
) -> None:
    check_options(PlanOptions(extra=(flag,)), known_by)
    name = flag.partition("=")[0]
    said = ".".join(map(str, version))
    with pytest.raises(PlanError, match=rf"TensorRT {said} does not know {name};.*--triton-tag"):
        check_options(PlanOptions(extra=(flag,)), version)


def test_a_10_of_unknown_minor_gets_the_benefit_of_the_doubt() -> None:
    check_options(PlanOptions(extra=("--refitFromOnnx=x",)), (10,))


@pytest.mark.parametrize("flag", ["--onnx=x", "--noTF32", "maxAuxStreams=2", "-v"])
def test_what_has_an_option_or_is_no_flag_is_not_passed_on(flag: str) -> None:
    with pytest.raises(PlanError, match="cannot be given to trtexec"):
        check_options(PlanOptions(extra=(flag,)), TEN)


@pytest.mark.parametrize("version", [(8, 6, 1), (12, 0)])
def test_an_unknown_major_is_refused(version: tuple[int, ...]) -> None:
    with pytest.raises(PlanError, match="TensorRT 10 and 11"):
        flags(version)


@pytest.mark.parametrize(
    "options", [PlanOptions(workspace="four"), PlanOptions(optimization_level=6)]
)
def test_a_senseless_value_is_refused(options: PlanOptions) -> None:
    with pytest.raises(PlanError):
        flags(TEN, options)


def test_a_run_reads_raw_inputs_and_writes_its_outputs() -> None:
    inputs = [("WAV", "/draft/WAV.raw", (2, 16000)), ("WAV_LENS", "/draft/LENS.raw", (2,))]
    assert inference_flags("/draft/m.plan", inputs, "/draft/out.json", 1) == [
        "--loadEngine=/draft/m.plan",
        "--loadInputs=WAV:/draft/WAV.raw,WAV_LENS:/draft/LENS.raw",
        "--shapes=WAV:2x16000,WAV_LENS:2",
        "--useProfile=1",
        "--iterations=1",
        "--warmUp=0",
        "--duration=0",
        "--exportOutput=/draft/out.json",
    ]
