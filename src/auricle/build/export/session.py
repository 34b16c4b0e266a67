"""Graphs run at build time, on one thread of the CPU, rounded as a GPU rounds them."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from auricle.build.export.failures import LOAD_ERRORS, RUN_ERRORS
from auricle.build.export.graph import Port
from auricle.build.export.rounding import rounded
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
                rounded(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except LOAD_ERRORS as error:
            raise CheckpointError(f"ONNX Runtime cannot load the graph: {error}") from error
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._types = {port.name: port.type for port in self._session.get_inputs()}
        self.inputs = list(self._types)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; CheckpointError if the graph does not take the inputs."""
        try:
            values = self._session.run(None, self._as_taken(inputs))
        except RUN_ERRORS as error:
            shapes = {name: value.shape for name, value in inputs.items()}
            raise CheckpointError(
                f"the graph fails on inputs of shape {shapes}: {error}"
            ) from error
        return dict(zip(self._outputs, values, strict=True))

    def _as_taken(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """What was float16 outside is float32 where it is rounded inside."""
        return {
            name: value.astype(np.float32) if self._widens(name, value) else value
            for name, value in inputs.items()
        }

    def _widens(self, name: str, value: Array) -> bool:
        is_float = value.dtype.kind not in "iub"
        return is_float and value.itemsize == 2 and self._types.get(name) == "tensor(float)"

    def run_all(self, batches: Iterable[Mapping[str, Array]]) -> list[dict[str, Array]]:
        return [self.run(batch) for batch in batches]
