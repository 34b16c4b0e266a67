"""Graphs run at build time, on one thread of the CPU."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from auricle.build.export.failures import LOAD_ERRORS, RUN_ERRORS
from auricle.build.export.graph import Port
from auricle.errors import CheckpointError

FATAL = 4  # ONNX Runtime's log severity: what fails raises here, nothing need be printed

Array: TypeAlias = (
    npt.NDArray[np.float32]
    | npt.NDArray[np.float16]
    | npt.NDArray[np.int32]
    | npt.NDArray[np.int64]
)


def of_type(port: Port, value: npt.NDArray[np.generic]) -> Array:
    """The value in the numbers that a port takes."""
    typed: Array = value.astype(onnx.helper.tensor_dtype_to_np_dtype(port.dtype))
    return typed


class Session:
    def __init__(self, model: onnx.ModelProto) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = FATAL
        try:
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except LOAD_ERRORS as error:
            raise CheckpointError(f"ONNX Runtime cannot load the graph: {error}") from error
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.inputs = [port.name for port in self._session.get_inputs()]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; CheckpointError if the graph does not take the inputs."""
        try:
            values = self._session.run(None, dict(inputs))
        except RUN_ERRORS as error:
            shapes = {name: value.shape for name, value in inputs.items()}
            raise CheckpointError(
                f"the graph fails on inputs of shape {shapes}: {error}"
            ) from error
        return dict(zip(self._outputs, values, strict=True))

    def run_all(self, batches: Iterable[Mapping[str, Array]]) -> list[dict[str, Array]]:
        return [self.run(batch) for batch in batches]
