"""An ONNX graph on the CPU or by CUDA, its inputs and outputs bound in the memory of the device."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnxruntime as ort

from auricle.build.export.bench.inputs import Array, Speech, make_inputs, read_ports, seconds_of
from auricle.build.export.bench.table import Timing, of_run
from auricle.build.export.failures import BOUND_RUN_ERRORS, LOAD_ERRORS, RUN_ERRORS, say
from auricle.errors import AuricleError, CheckpointError

FATAL = 4  # ONNX Runtime's log severity: what fails raises here, nothing need be printed
# An exhaustive search would try every algorithm for every new shape, as no server does.
CUDA = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})
CPU = "CPUExecutionProvider"
NO_CUDA = (
    "this onnxruntime runs nothing by CUDA (it has {}); install onnxruntime-gpu instead of "
    "onnxruntime, where an NVIDIA driver is"
)
BROKEN_CUDA = (
    "onnxruntime fell back to the CPU, for its CUDA provider does not load; it needs an NVIDIA "
    "driver, and CUDA and cuDNN as its line above or its release says"
)


@dataclass(frozen=True)
class OnnxGraph:
    """provider: "cpu" or "cuda".  threads: within an operator, on the CPU."""

    name: str
    path: Path
    speech: Speech
    provider: str = "cpu"
    threads: int = 1
    warm_up: int = 1  # rounds that do not count
    most: int | None = None  # rounds

    def check(self) -> None:
        """AuricleError where this onnxruntime has no such provider."""
        known = ort.get_available_providers()
        if self.provider == "cuda" and CUDA[0] not in known:
            raise AuricleError(NO_CUDA.format(", ".join(known)))

    def open(self, batch: int) -> tuple[float | None, Callable[[], Timing]]:
        """Seconds of audio in each row, and what runs the batch once.

        A session of its own, so that no batch meets the memory of another. CheckpointError where
        the graph fails.
        """
        session = self._load()
        inputs = make_inputs(read_ports(session), batch, self.speech)
        binding = bind(session, inputs, self.provider)

        def run() -> Timing:
            start = time.perf_counter()
            try:
                session.run_with_iobinding(binding)
            except BOUND_RUN_ERRORS as error:
                raise CheckpointError(say(error)) from error
            binding.synchronize_outputs()
            return of_run(time.perf_counter() - start)

        return seconds_of(inputs, self.speech), run

    def _load(self) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # as served, likewise the next
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = FATAL
        wanted = [CUDA, CPU] if self.provider == "cuda" else [CPU]
        try:
            session = ort.InferenceSession(str(self.path), options, providers=wanted)
        except (*LOAD_ERRORS, *RUN_ERRORS) as error:
            raise CheckpointError(f"ONNX Runtime cannot load {self.path}: {error}") from error
        if self.provider == "cuda" and CUDA[0] not in session.get_providers():
            raise AuricleError(BROKEN_CUDA)
        return session


def bind(session: ort.InferenceSession, inputs: Mapping[str, Array], device: str) -> ort.IOBinding:
    """Inputs copied to the device ("cpu", "cuda") once; outputs stay there, as large as they are.

    CheckpointError where they do not fit.
    """
    binding = session.io_binding()
    try:
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(value, device, 0))
    except BOUND_RUN_ERRORS as error:
        raise CheckpointError(say(error)) from error
    for output in session.get_outputs():
        binding.bind_output(output.name, device)
    return binding
