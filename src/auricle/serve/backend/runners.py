"""Runners: ONNX Runtime in this process, or Triton's own model of the encoder by BLS."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import asyncio
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort
import triton_python_backend_utils as pb_utils

from auricle.errors import AuricleError, BusyError, RepositoryError
from auricle.serve.runner import Array, Runner, Tensors
from auricle.spec import Choices, PipelineSpec, encoder_of

ENCODER_OUTPUTS = {
    "transducer": ("ENCODER_OUT", "OUT_LENS"),
    "ctc": ("TOPK_LOG_PROBS", "TOPK_IDS", "BLANK_LOG_PROBS", "OUT_LENS"),
}


def create(spec: PipelineSpec, choices: Choices, folder: Path, model: str, on_gpu: bool) -> Runner:
    """The Runner that config.pbtxt asks for.

    folder: the version folder that holds the graphs of spec; model: the pipeline model's name.
    """
    graphs = dict(spec.graphs)
    if choices.runner == "bls":
        graphs.pop("encoder", None)
    local = OnnxRunner({role: folder / name for role, name in graphs.items()}, choices, on_gpu)
    if choices.runner == "bls":
        return EncoderByBls(encoder_of(model), ENCODER_OUTPUTS[spec.head], local)
    return local


class OnnxRunner:
    """Sessions in this process, one a graph."""

    def __init__(self, graphs: dict[str, Path], choices: Choices, on_gpu: bool) -> None:
        self._sessions = {
            role: create_session(path, choices.threads, on_gpu) for role, path in graphs.items()
        }
        self._outputs = {
            role: [output.name for output in session.get_outputs()]
            for role, session in self._sessions.items()
        }

    def run(self, graph: str, batches: Sequence[Tensors]) -> list[Tensors]:
        session, names = self._sessions[graph], self._outputs[graph]
        return [dict(zip(names, session.run(names, batch), strict=True)) for batch in batches]


def create_session(path: Path, threads: int, on_gpu: bool) -> ort.InferenceSession:
    if not path.is_file():
        raise RepositoryError(f"no graph {path}; run `auricle build` again")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it keeps one plan for every shape that it ever sees
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CUDAExecutionProvider"] if on_gpu else []
    return ort.InferenceSession(str(path), options, providers=[*providers, "CPUExecutionProvider"])


class EncoderByBls:
    """The encoder as Triton's model, all sub-batches in flight at once; other graphs local."""

    def __init__(self, model: str, outputs: tuple[str, ...], local: Runner) -> None:
        self.model = model
        self.outputs = outputs
        self.local = local

    def run(self, graph: str, batches: Sequence[Tensors]) -> list[Tensors]:
        if graph != "encoder":
            return self.local.run(graph, batches)
        return asyncio.run(self._run_all(batches))

    async def _run_all(self, batches: Sequence[Tensors]) -> list[Tensors]:
        return list(await asyncio.gather(*(self._run(batch) for batch in batches)))

    async def _run(self, batch: Tensors) -> Tensors:
        request = pb_utils.InferenceRequest(
            model_name=self.model,
            requested_output_names=list(self.outputs),
            inputs=[pb_utils.Tensor(name, _with_axis(array)) for name, array in batch.items()],
        )
        response = await request.async_exec()
        if response.has_error():
            raise _translate(response.error(), self.model)
        tensors = (pb_utils.get_output_tensor_by_name(response, name) for name in self.outputs)
        return {
            name: _without_axis(name, tensor.as_numpy())
            for name, tensor in zip(self.outputs, tensors, strict=True)
        }


def _translate(error: pb_utils.TritonError, model: str) -> AuricleError:
    """Only a full queue is worth another try; what else fails, fails again."""
    is_busy = error.code() == pb_utils.TritonError.UNAVAILABLE
    return (BusyError if is_busy else AuricleError)(f"{model}: {error.message()}")


def _with_axis(array: Array) -> Array:
    """Triton has no [N]: lengths travel as [N, 1]."""
    return array[:, None] if array.ndim == 1 else array


def _without_axis(name: str, array: Array) -> Array:
    return array[:, 0] if name == "OUT_LENS" and array.ndim == 2 else array
