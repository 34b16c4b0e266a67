"""What a session in the pipeline's process is told; a GPU is not asked."""

from pathlib import Path

import onnxruntime as ort
import pytest

from auricle.serve.backend import onnx_runner

KEY = "session.use_device_allocator_for_initializers"


class FakeSession:
    def __init__(
        self, path: str, options: ort.SessionOptions, providers: list[onnx_runner.Cuda | str]
    ) -> None:
        self.path, self.options, self.providers = path, options, providers


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ort, "InferenceSession", FakeSession)
    path = tmp_path / "encoder.onnx"
    path.touch()
    return path


def test_a_gpus_session_is_made_for_lengths_that_vary(graph: Path) -> None:
    session = onnx_runner.create_session(graph, 1, 3)
    cuda, cpu = session.providers
    assert cuda == (
        "CUDAExecutionProvider",
        {
            "device_id": "3",
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",
        },
    )
    assert cpu == "CPUExecutionProvider"
    assert session.options.get_session_config_entry(KEY) == "1"


def test_a_cpus_session_has_none_of_it(graph: Path) -> None:
    session = onnx_runner.create_session(graph, 1, None)
    assert session.providers == ["CPUExecutionProvider"]
    with pytest.raises(RuntimeError):
        session.options.get_session_config_entry(KEY)


def test_both_ways_to_a_gpu_have_the_same_options() -> None:
    from auricle.build.repository.target import CUDA

    _, options = onnx_runner.cuda_provider(0)
    assert {name: options[name] for name in CUDA} == CUDA
