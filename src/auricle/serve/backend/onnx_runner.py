"""The Runner of ONNX Runtime sessions in this process; knows no Triton."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnxruntime as ort

from auricle.errors import RepositoryError
from auricle.serve.runner import Tensors


class OnnxRunner:
    """Sessions in this process, one a graph."""

    def __init__(self, graphs: Mapping[str, Path], threads: int, *, on_gpu: bool = False) -> None:
        """graphs: paths by role ("encoder", ...).  threads: intra-op, of each session."""
        self._sessions = {
            role: create_session(path, threads, on_gpu) for role, path in graphs.items()
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
