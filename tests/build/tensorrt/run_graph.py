"""Runs a graph as trtexec runs a plan: --loadInputs, --shapes, --exportOutput.

The output is written as NVIDIA/TensorRT writes it, samples/common/sampleReporting.cpp: six digits,
and no JSON for what is no number.
"""

import os
import sys
from collections.abc import Mapping

import numpy as np
import onnxruntime as ort

from auricle.build.export.session import Array

NUMBERS = {"tensor(float)": np.float32, "tensor(int32)": np.int32}


def main(arguments: list[str]) -> None:
    given = dict(each.removeprefix("--").split("=", 1) for each in arguments if "=" in each)
    session = ort.InferenceSession(given["loadEngine"], providers=["CPUExecutionProvider"])
    files = dict(pair.split(":") for pair in given["loadInputs"].split(","))
    shapes = dict(pair.split(":") for pair in given["shapes"].split(","))
    inputs = {
        port.name: np.fromfile(files[port.name], NUMBERS[port.type]).reshape(
            [int(dim) for dim in shapes[port.name].split("x")]
        )
        for port in session.get_inputs()
    }
    names = [port.name for port in session.get_outputs()]
    factor = float(os.environ.get("RUN_GRAPH_FACTOR", "1"))
    with open(given["exportOutput"], "w") as file:  # noqa: PTH123
        file.write(render(dict(zip(names, session.run(names, inputs), strict=True)), factor))


def render(arrays: Mapping[str, Array], factor: float = 1.0) -> str:
    entries = []
    for name, array in arrays.items():
        scaled = array * factor if array.dtype == np.float32 else array
        dims = "x".join(map(str, array.shape))
        values = ", ".join(f"{value:.6g}" for value in scaled.ravel())
        fields = [f'"name" : "{name}"', f'"dimensions" : "{dims}"', f'"values" : [ {values} ]']
        entries.append("{ " + "\n  , ".join(fields) + "\n  }\n")
    return "[\n  " + ", ".join(entries) + "]\n"


if __name__ == "__main__":
    main(sys.argv[1:])
