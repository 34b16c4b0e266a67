"""What a GPU changes in the configurations: who runs a graph, on which devices, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tritonclient.grpc import model_config_pb2 as pb

from auricle.spec.plan import PlanRecord

Backend = Literal["onnxruntime", "tensorrt"]
# A convolution of a new length is otherwise timed with every algorithm, at each change of length,
# and the arena otherwise grows by powers of two, and never shrinks.
CUDA = {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
# Weights outside the arena; https://github.com/triton-inference-server/onnxruntime_backend knows
# the parameter since 25.02, and older releases pass it by.
DEVICE_ALLOCATOR = "session.use_device_allocator_for_initializers"
DEVICE_ALLOCATOR_SINCE = "25.02"  # tags sort as text


@dataclass(frozen=True)
class PlanFiles:
    """A plan that agrees with its graph.  folder: holds it, and its record."""

    plan: Path
    record: PlanRecord


@dataclass(frozen=True)
class GpuTarget:
    """seconds, batch: smallest, usual, largest of what the encoder takes.

    bucket_seconds: lengths are padded to multiples of it.  gpus: indices; empty: all there are.
    plan: what Triton's tensorrt backend runs; None: its onnxruntime backend runs the graph.
    """

    seconds: tuple[float, float, float]
    batch: tuple[int, int, int]
    triton_tag: str
    bucket_seconds: float = 2.0
    gpus: tuple[int, ...] = ()
    cuda_graphs: bool = False
    plan: PlanFiles | None = None

    @property
    def backend(self) -> Backend:
        return "tensorrt" if self.plan else "onnxruntime"


def group(target: GpuTarget, count: int, num_profiles: int = 1) -> pb.ModelInstanceGroup:
    """count: of instances on each GPU.  Without its list, Triton would take profile 0 alone."""
    return pb.ModelInstanceGroup(
        kind=pb.ModelInstanceGroup.KIND_GPU,
        count=count,
        gpus=target.gpus,
        profile=[str(index) for index in range(num_profiles)] if num_profiles > 1 else [],
    )


def place_on_gpu(config: pb.ModelConfig, instances: pb.ModelInstanceGroup) -> None:
    del config.instance_group[:]
    config.instance_group.append(instances)


def run_onnx(config: pb.ModelConfig, target: GpuTarget) -> None:
    """By ONNX Runtime's CUDA provider, with what varying lengths need."""
    accelerators = config.optimization.execution_accelerators
    accelerators.gpu_execution_accelerator.add(name="cuda", parameters=CUDA)
    if target.triton_tag >= DEVICE_ALLOCATOR_SINCE:
        config.parameters[DEVICE_ALLOCATOR].string_value = "1"


def run_plan(config: pb.ModelConfig, target: GpuTarget, file_name: str) -> None:
    config.backend = "tensorrt"
    config.default_model_filename = file_name
    config.parameters.clear()  # ONNX Runtime's
    if target.cuda_graphs:
        config.optimization.cuda.graphs = True
