"""The Runner of ONNX Runtime sessions in this process; knows no Triton."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnxruntime as ort

from auricle.errors import RepositoryError
from auricle.serve.runner import Tensors

Cuda = tuple[str, dict[str, str]]  # ONNX Runtime's name of a provider, and its options


class OnnxRunner:
    """Sessions in this process, one a graph."""

    def __init__(self, graphs: Mapping[str, Path], threads: int, *, gpu: int | None = None) -> None:
        """graphs: paths by role ("encoder", ...).  threads: intra-op, of each session.

        gpu: the index of one; None for the CPU.
        """
        self._sessions = {role: create_session(path, threads, gpu) for role, path in graphs.items()}
        self._outputs = {
            role: [output.name for output in session.get_outputs()]
            for role, session in self._sessions.items()
        }

    def run(self, graph: str, batches: Sequence[Tensors]) -> list[Tensors]:
        session, names = self._sessions[graph], self._outputs[graph]
        return [dict(zip(names, session.run(names, batch), strict=True)) for batch in batches]


def create_session(path: Path, threads: int, gpu: int | None) -> ort.InferenceSession:
    if not path.is_file():
        raise RepositoryError(f"no graph {path}; run `auricle build` again")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # it keeps one plan for every shape that it ever sees
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[str | Cuda] = ["CPUExecutionProvider"]
    if gpu is not None:
        # Weights stay out of the arena, which never gives memory back.
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        providers.insert(0, cuda_provider(gpu))
    return ort.InferenceSession(str(path), options, providers=providers)


def cuda_provider(gpu: int) -> Cuda:
    """Made for lengths that vary: the same options as config.pbtxt has for Triton's own backend.

    EXHAUSTIVE, the default, times every algorithm of a convolution at each change of its shape;
    the arena's default grows by powers of two.
    """
    options = {
        "device_id": str(gpu),
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
    }
    return "CUDAExecutionProvider", options
