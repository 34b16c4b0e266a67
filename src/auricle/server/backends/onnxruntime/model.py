"""Triton's backend `onnxruntime` in Python, for a tritonserver that lacks the C++ one.

It runs <model>/<version>/model.onnx, or the config's default_model_filename, with the onnxruntime
of this environment. Requests with inputs of equal shapes share one run. Reshapes of config.pbtxt
are Triton's own work: inputs arrive and outputs leave in the shapes of the graph.
"""

from __future__ import annotations  # pb_utils has its types only after this module is imported

import json
import logging
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

LOGGER = logging.getLogger(__name__)
DEFAULT_FILE_NAME = "model.onnx"

Array = NDArray[np.generic]
Tensors = dict[str, Array]
Shapes = tuple[tuple[str, tuple[int, ...]], ...]


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        file_name = config["default_model_filename"] or DEFAULT_FILE_NAME
        path = Path(args["model_repository"]) / args["model_version"] / file_name
        on_gpu = args["model_instance_kind"] == "GPU"
        device = int(args["model_instance_device_id"]) if on_gpu else None
        self.session = create_session(path, num_threads(config["parameters"]), device)
        self.inputs = [tensor["name"] for tensor in config["input"]]
        check_names(self.inputs, self.session.get_inputs(), f"input of {path}")
        outputs = [tensor["name"] for tensor in config["output"]]
        check_names(outputs, self.session.get_outputs(), f"output of {path}", may_omit=True)
        self.has_batch_axis = config["max_batch_size"] > 0

    def execute(
        self, requests: Sequence[pb_utils.InferenceRequest]
    ) -> list[pb_utils.InferenceResponse]:
        """One response a request, in order; a request that fails does so alone."""
        groups: dict[Shapes | int, list[int]] = {}
        inputs = [self.read(request) for request in requests]
        for index, tensors in enumerate(inputs):
            groups.setdefault(shapes(tensors) if self.has_batch_axis else index, []).append(index)
        responses: dict[int, pb_utils.InferenceResponse] = {}
        for indices in groups.values():
            answers = self.answer([requests[i] for i in indices], [inputs[i] for i in indices])
            responses.update(zip(indices, answers, strict=True))
        return [responses[index] for index in range(len(requests))]

    def read(self, request: pb_utils.InferenceRequest) -> Tensors:
        tensors = ((name, pb_utils.get_input_tensor_by_name(request, name)) for name in self.inputs)
        return {name: tensor.as_numpy() for name, tensor in tensors if tensor is not None}

    def answer(
        self, requests: Sequence[pb_utils.InferenceRequest], inputs: Sequence[Tensors]
    ) -> list[pb_utils.InferenceResponse]:
        """Run requests of equal shapes as one batch; if that fails, each alone."""
        try:
            return self.run(requests, inputs)
        except Exception as error:
            if len(requests) == 1:
                return [refuse(error)]
        alone = (self.answer([r], [i]) for r, i in zip(requests, inputs, strict=True))
        return [response for responses in alone for response in responses]

    def run(
        self, requests: Sequence[pb_utils.InferenceRequest], inputs: Sequence[Tensors]
    ) -> list[pb_utils.InferenceResponse]:
        names = sorted({name for r in requests for name in r.requested_output_names()})
        arrays = dict(zip(names, self.session.run(names, concatenate(inputs)), strict=True))
        if len(requests) == 1:
            return [pack(requests[0], arrays)]
        rows = [len(next(iter(tensors.values()))) for tensors in inputs]
        ends = np.cumsum([0, *rows])
        for name, array in arrays.items():
            if len(array) != ends[-1]:
                raise ValueError(f"output {name} has {len(array)} rows for {ends[-1]} of input")
        return [
            pack(request, {name: array[start:end] for name, array in arrays.items()})
            for request, (start, end) in zip(requests, pairwise(ends), strict=True)
        ]


def create_session(path: Path, threads: int, device: int | None) -> ort.InferenceSession:
    """device: of CUDA, None is the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it keeps one plan for every shape that it ever sees
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    cuda = [] if device is None else [("CUDAExecutionProvider", {"device_id": device})]
    return ort.InferenceSession(path, options, providers=[*cuda, "CPUExecutionProvider"])


def num_threads(parameters: dict[str, dict[str, str]]) -> int:
    """The parameter that Triton's C++ backend takes too; unlike there, one thread by default."""
    value = parameters.get("intra_op_thread_count", {"string_value": "1"})["string_value"]
    if not value.isdecimal():
        raise ValueError(f"parameter intra_op_thread_count is {value!r}, expected a whole number")
    return int(value)


def check_names(
    config: Sequence[str], graph: Sequence[ort.NodeArg], what: str, may_omit: bool = False
) -> None:
    """config.pbtxt must name what the graph has; may_omit: it need not name all of it."""
    known = {tensor.name for tensor in graph}
    if not (set(config) <= known if may_omit else set(config) == known):
        raise ValueError(f"config.pbtxt names {sorted(config)} as {what}; known: {sorted(known)}")


def shapes(tensors: Tensors) -> Shapes:
    """What must agree for requests to share a run: names, and shapes after the batch axis."""
    return tuple((name, array.shape[1:]) for name, array in tensors.items())


def concatenate(inputs: Sequence[Tensors]) -> Tensors:
    if len(inputs) == 1:
        return inputs[0]
    return {name: np.concatenate([tensors[name] for tensors in inputs]) for name in inputs[0]}


def pack(request: pb_utils.InferenceRequest, arrays: Tensors) -> pb_utils.InferenceResponse:
    names = request.requested_output_names()
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, arrays[name]) for name in names])


def refuse(error: Exception) -> pb_utils.InferenceResponse:
    LOGGER.error("a request failed: %s", error)
    is_callers = isinstance(error, InvalidArgument)
    code = pb_utils.TritonError.INVALID_ARG if is_callers else pb_utils.TritonError.INTERNAL
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
