"""Graphs run at build time, on one thread of the CPU."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

SILENT = 4  # ONNX Runtime's log severity; a graph that fails here raises, nothing need be printed
RUN_ERRORS = (ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.RuntimeException)

Array = npt.NDArray[np.generic]


class Session:
    def __init__(self, model: onnx.ModelProto) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = SILENT
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))

    def runs(self, inputs: Mapping[str, Array]) -> bool:
        """Whether the graph takes these inputs: some break beyond a length that they do not state."""
        try:
            self._session.run(None, dict(inputs))
        except RUN_ERRORS:
            return False
        return True
