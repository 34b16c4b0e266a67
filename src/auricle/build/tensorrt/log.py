"""What trtexec and nvidia-smi print, read."""

import re
from collections.abc import Iterable

from auricle.build.tensorrt.flags import Version

BANNER = re.compile(r"\[TensorRT v(\d+)\]")
# The words of trtexec's log by which a step of the build is known, in its order.
STAGES = {
    "Start parsing network model": "reading the graph",
    "Finished parsing network model": "choosing kernels, which takes minutes",
    "Engine built in": "built",
    "Created engine with size": "writing the plan",
}
OURS = ("TensorRT ", "pulling ")  # how a sentence of ours begins, and none of trtexec's
NUM_LAST = 15  # lines of a log that explain a failure
TELLING = re.compile(r"\[E\]|error|Error|&&&& FAILED")


def parse_version(lines: Iterable[str]) -> Version | None:
    """From `&&&& RUNNING TensorRT.trtexec [TensorRT v101600] [b36]`: (10, 16, 0).

    Two digits each for minor and patch since 9; before, one digit for the major and two each.
    """
    found = next((match[1] for line in lines if (match := BANNER.search(line))), None)
    if found is None:
        return None
    number = int(found)
    if number < 10_000:
        return number // 1000, number // 100 % 10, number % 100
    return number // 10_000, number // 100 % 100, number % 100


def parse_gpu(lines: Iterable[str]) -> tuple[str, str] | None:
    """Name and compute capability, from `NVIDIA H200, 9.0`."""
    rows = (line.rpartition(",") for line in lines)
    pairs = ((name.strip(), capability.strip()) for name, _, capability in rows)
    return next((pair for pair in pairs if pair[0] and re.fullmatch(r"\d+\.\d+", pair[1])), None)


def stage_of(line: str) -> str | None:
    """The step that a line of the log begins, or what is said of the whole."""
    if line.startswith(OURS):
        return line
    return next((stage for words, stage in STAGES.items() if words in line), None)


def explain(lines: Iterable[str]) -> str:
    """The end of a log, after the first error if that is further up."""
    kept = [line for line in lines if line.strip()]
    first_error = next((line for line in kept[:-NUM_LAST] if TELLING.search(line)), None)
    return "\n".join(
        f"  {line}" for line in [*([first_error] if first_error else []), *kept[-NUM_LAST:]]
    )
