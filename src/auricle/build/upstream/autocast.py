"""NVIDIA's ModelOpt, which casts a graph to bfloat16, in an environment that the user names.

https://nvidia.github.io/TensorRT-Model-Optimizer/guides/8_autocast.html; nvidia-modelopt[onnx]
brings CUDA's torch, so it has no place in ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from auricle.build.upstream.process import find_python, run
from auricle.errors import ExportError

NAME = 'ModelOpt (pip install "nvidia-modelopt[onnx]")'
# What is summed or exponentiated; its own rules know the values of one input, not the operation.
HELD = ("CumSum", "Exp", "LayerNormalization", "LogSoftmax", "Pow", "Range", "ReduceMean",
        "ReduceSum", "Softmax", "Sqrt")  # fmt: skip


@dataclass(frozen=True)
class Autocast:
    """python: the interpreter that has it.  show: hears its lines."""

    python: str
    show: Callable[[str], None]

    def cast(
        self, source: Path, target: Path, example: Mapping[str, npt.NDArray[np.generic]] | None
    ) -> None:
        """A file of float32 -> one of bfloat16 with the same ports.

        example: the inputs that it runs to see the sizes of values; None: its own, of ones.
        """
        python = find_python(NAME, self.python, Path())
        data: list[str | Path] = []
        if example is not None:
            path = source.with_suffix(".npz")
            with path.open("wb") as file:
                np.savez(file, **example)
            data = ["--calibration_data", path]
        run(
            NAME,
            [python, "-m", "modelopt.onnx.autocast", "--onnx_path", source, "--output_path", target,
             "--low_precision_type", "bf16", "--keep_io_types", "--providers", "cpu",
             "--op_types_to_exclude", *HELD, *data],
            self.show,
        )  # fmt: skip
        if not target.is_file():
            raise ExportError(f"{NAME} ended well, but wrote no {target.name}")
