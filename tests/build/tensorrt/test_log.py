import pytest

from auricle.build.tensorrt import log


@pytest.mark.parametrize(
    ("digits", "version"),
    [
        ("101600", (10, 16, 0)),
        ("100500", (10, 5, 0)),
        ("110100", (11, 1, 0)),
        ("110401", (11, 4, 1)),
        ("8601", (8, 6, 1)),
    ],
)
def test_the_banner_tells_the_version(digits: str, version: tuple[int, ...]) -> None:
    lines = ["", f"&&&& RUNNING TensorRT.trtexec [TensorRT v{digits}] [b36] # trtexec --help"]
    assert log.parse_version(lines) == version


def test_no_banner_tells_none() -> None:
    assert log.parse_version(["trtexec: not found"]) is None


@pytest.mark.parametrize(
    ("line", "gpu"),
    [
        ("NVIDIA H200, 9.0", ("NVIDIA H200", "9.0")),
        ("NVIDIA RTX A6000, 8.6", ("NVIDIA RTX A6000", "8.6")),
        ("NVIDIA-SMI has failed because it couldn't communicate, sorry", None),
        ("", None),
    ],
)
def test_a_row_of_nvidia_smi_is_a_gpu(line: str, gpu: tuple[str, str] | None) -> None:
    assert log.parse_gpu([line]) == gpu


def test_the_steps_of_a_build_are_told_apart() -> None:
    lines = ["[I] Start parsing network model.", "[V] a tactic", "[I] Engine built in 12.3 sec."]
    assert [log.stage_of(line) for line in lines] == ["reading the graph", None, "built"]


@pytest.mark.parametrize("line", ["TensorRT 11.1.0 in this machine", "pulling an image"])
def test_what_we_say_ourselves_is_shown(line: str) -> None:
    assert log.stage_of(line) == line


def test_a_failure_is_explained_by_the_end_and_the_first_error() -> None:
    lines = ["[E] out of memory", *(f"line {number}" for number in range(100)), "&&&& FAILED"]
    said = log.explain(lines).splitlines()
    assert len(said) == log.NUM_LAST + 1
    assert (said[0], said[-1]) == ("  [E] out of memory", "  &&&& FAILED")
