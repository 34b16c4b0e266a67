"""A TensorRT plan, timed by trtexec, which comes with the TensorRT that can load the plan."""

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime as ort

from auricle.build.export.bench.inputs import (
    OFFLINE_PORTS,
    Array,
    Port,
    Speech,
    make_inputs,
    read_ports,
    seconds_of,
)
from auricle.build.export.bench.table import Timing
from auricle.build.export.failures import LOAD_ERRORS
from auricle.errors import AuricleError, CheckpointError

IMAGE_PATH = "/usr/src/tensorrt/bin"  # where NVIDIA's images have it, though not on PATH
NO_TRTEXEC = (
    "no trtexec on PATH to load a TensorRT plan with; run this inside the Triton image that "
    "serves it (nvcr.io/nvidia/tritonserver:YY.MM-py3), since a plan fits one version of TensorRT "
    "and one GPU"
)
# `[11/30/2026-05:00:00] [I] Latency: min = 39.4 ms, ..., percentile(95%) = 47.6 ms`
LINE = re.compile(r"\] (Latency|GPU Compute Time): (min = .*)")
VALUE = re.compile(r"([a-z]+(?:\(\d+%\))?) = ([\d.e+-]+) ms")
ERROR = re.compile(r"\[E\] (.*)")


def parse(output: str) -> Timing:
    """The GPU's time out of what trtexec printed; CheckpointError with its own first error."""
    lines = {
        name: {key: float(value) for key, value in VALUE.findall(values)}
        for name, values in LINE.findall(output)
    }
    try:
        gpu, whole = lines["GPU Compute Time"], lines["Latency"]
        return Timing(
            gpu["mean"], gpu["median"], gpu["percentile(95%)"], whole["mean"], is_one_run=False
        )
    except KeyError as error:
        found = ERROR.search(output)
        said = found.group(1) if found else f"it printed no {error} of the plan's runs"
        raise CheckpointError(f"trtexec: {said}") from None


def command(
    trtexec: str, plan: Path, inputs: Mapping[str, Array], folder: Path, runs: int
) -> list[str]:
    """The call for these inputs, which are written to the folder as trtexec reads them."""
    shapes = (f"{name}:{'x'.join(map(str, value.shape))}" for name, value in inputs.items())
    for name, value in inputs.items():
        value.tofile(folder / name)
    files = (f"{name}:{folder / name}" for name in inputs)
    return [
        trtexec, f"--loadEngine={plan}", f"--shapes={','.join(shapes)}",
        f"--loadInputs={','.join(files)}", f"--iterations={runs}", "--duration=0",
        "--percentile=95",
    ]  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """graph: the ONNX that the plan was made of, which tells its inputs; None: WAV and WAV_LENS.

    runs: of the plan in each round, which is one run of trtexec.
    """

    name: str
    path: Path
    speech: Speech
    graph: Path | None
    runs: int
    provider: str = "tensorrt"
    warm_up: int = 0  # trtexec does that itself
    most: int | None = 3

    def check(self) -> None:
        """AuricleError where no trtexec is."""
        _find_trtexec()

    def open(self, batch: int) -> tuple[float | None, Callable[[], Timing]]:
        """Seconds of audio in each row, and what runs trtexec once."""
        inputs = make_inputs(self._ports(), batch, self.speech)
        trtexec = _find_trtexec()

        def run() -> Timing:
            with TemporaryDirectory() as folder:
                asked = command(trtexec, self.path, inputs, Path(folder), self.runs)
                done = subprocess.run(
                    asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
                )
            return parse(done.stdout)

        return seconds_of(inputs, self.speech), run

    def _ports(self) -> Sequence[Port]:
        if self.graph is None:
            return OFFLINE_PORTS
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            session = ort.InferenceSession(
                str(self.graph), options, providers=["CPUExecutionProvider"]
            )
        except LOAD_ERRORS as error:
            raise CheckpointError(f"ONNX Runtime cannot load {self.graph}: {error}") from error
        return read_ports(session)


def _find_trtexec() -> str:
    found = shutil.which("trtexec") or shutil.which("trtexec", path=IMAGE_PATH)
    if not found:
        raise AuricleError(NO_TRTEXEC)
    return found
