"""The Runner of a served model: sessions in this process, or the encoder by BLS."""

from __future__ import annotations  # Triton fills pb_utils only after the import

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import triton_python_backend_utils as pb_utils

from auricle.errors import AuricleError, BusyError
from auricle.serve.backend.graphs import LENGTHS, encoder_outputs
from auricle.serve.backend.onnx_runner import OnnxRunner
from auricle.serve.runner import Array, Runner, Tensors
from auricle.spec import Choices, PipelineSpec, encoder_of


def create(
    spec: PipelineSpec, choices: Choices, folder: Path, model: str, gpu: int | None
) -> Runner:
    """The Runner that config.pbtxt asks for.

    folder: the version folder that holds the graphs of spec; model: the pipeline model's name;
    gpu: the index of one, or None.
    """
    graphs = dict(spec.graphs)
    if choices.runner == "bls":
        graphs.pop("encoder", None)
    paths = {role: folder / name for role, name in graphs.items()}
    local = OnnxRunner(paths, choices.threads, gpu=gpu)
    if choices.runner == "bls":
        return EncoderByBls(encoder_of(model), encoder_outputs(spec), local)
    return local


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
            # An encoder on a GPU would otherwise answer from there.
            preferred_memory=pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU, 0),
        )
        response = await request.async_exec()
        if response.has_error():
            raise _translate(response.error(), self.model)
        tensors = (pb_utils.get_output_tensor_by_name(response, name) for name in self.outputs)
        return {
            name: _without_axis(name, tensor.as_numpy())
            for name, tensor in zip(self.outputs, tensors, strict=True)
        }


def gpu_of(args: Mapping[str, str]) -> int | None:
    """The GPU that Triton gave an instance; args: of its initialize."""
    return int(args["model_instance_device_id"]) if args["model_instance_kind"] == "GPU" else None


def _translate(error: pb_utils.TritonError, model: str) -> AuricleError:
    """Only a full queue is worth another try; what else fails, fails again."""
    is_busy = error.code() == pb_utils.TritonError.UNAVAILABLE
    return (BusyError if is_busy else AuricleError)(f"{model}: {error.message()}")


def _with_axis(array: Array) -> Array:
    """Triton has no [N]: lengths travel as [N, 1]."""
    return array[:, None] if array.ndim == 1 else array


def _without_axis(name: str, array: Array) -> Array:
    return array[:, 0] if name in LENGTHS and array.ndim == 2 else array
