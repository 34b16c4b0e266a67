"""Plans by the real trtexec, on the GPU of this machine. None of this has run yet.

With Docker, the image of TRITON_TAG or the default one is used; in an image, its own trtexec.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from auricle.audio import load
from auricle.client import Client
from auricle.errors import RepositoryError, ServerError
from auricle.server import Options, free_ports, plans, repository, serve
from auricle.server.locate import find_triton
from auricle.spec.plan import load_plan
from tests.conftest import ROOT

pytestmark = pytest.mark.gpu

RANGES = ("--seconds", "0.1,4,10", "--seconds", "10,15,39")


def auricle(*arguments: object, **variables: str) -> str:
    code = "from auricle.cli import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def build(assets: Path, repo: Path, *options: str) -> str:
    return auricle(
        "build", "icefall-transducer", "--from", assets / "icefall-transducer", "--name", "demo",
        "--repo", repo, "--batch", "1,4,8", *options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def planned(builder: str, assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    repo = tmp_path_factory.mktemp("planned")
    said = build(assets, repo, "--backend", "tensorrt", *RANGES)
    assert "; within" in said, said
    return repo


def test_a_plan_agrees_with_its_graph_and_is_recorded(planned: Path, device: str) -> None:
    record = load_plan(planned / "demo__encoder" / "1" / "plan.json")
    assert record.gpu == device
    assert len(record.profiles) == 2


def test_a_plan_without_tf32_agrees_better(builder: str, assets: Path, tmp_path: Path) -> None:
    said = build(assets, tmp_path, "--backend", "tensorrt", "--no-tf32", *RANGES)
    assert "; within 0.001" in said, said


def test_a_timing_cache_is_left_for_the_next_build(planned: Path, builder: str) -> None:
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "auricle/tensorrt"
    assert any(path.stat().st_size for path in folder.glob("*.cache"))


def test_this_machine_takes_its_own_plan(planned: Path, builder: str) -> None:
    if builder != "local":
        pytest.skip("what the image has is seen inside the image")
    models = repository.read_all([planned])
    assert plans.check(models, ["tensorrt", "onnxruntime", "python"], Options([planned])) == []


@pytest.mark.parametrize("backend", ["tensorrt", "onnxruntime"])
def test_tritons_own_backend_says_what_a_cpu_says(
    backend: str, planned: Path, assets: Path, tmp_path: Path, device: str
) -> None:
    """Plans and ONNX Runtime's CUDA provider, by Triton's image, against ONNX Runtime's CPU."""
    try:
        if not find_triton().is_image:
            pytest.skip("a tritonserver of the wheel has no backends for a GPU")
    except ServerError as error:
        pytest.skip(str(error))
    build(assets, tmp_path / "cpu")
    if backend == "onnxruntime":
        build(assets, tmp_path / "gpu", "--target", "gpu", "--runner", "bls")
    served = planned if backend == "tensorrt" else tmp_path / "gpu"
    paths = sorted((ROOT / "client" / "test_wavs").glob("*.wav"))
    assert hear(served, paths) == hear(tmp_path / "cpu", paths)


def hear(repo: Path, paths: list[Path]) -> list[str]:
    with (
        serve(Options([repo], ports=free_ports())) as server,
        Client(server.grpc_address, model="demo") as client,
    ):
        return [client.transcribe(str(path)).text for path in paths]


def test_in_process_sessions_say_what_a_cpu_says(device: str, assets: Path, tmp_path: Path) -> None:
    import onnxruntime as ort

    from auricle.serve.backend.onnx_runner import OnnxRunner

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        pytest.skip("onnxruntime without CUDA; install onnxruntime-gpu")
    build(assets, tmp_path)
    encoder = {"encoder": tmp_path / "demo" / "1" / "encoder.onnx"}
    wav = load(sorted((ROOT / "client" / "test_wavs").glob("*.wav"))[0], 16000)
    batch = {"WAV": wav[None], "WAV_LENS": np.array([len(wav)], np.int32)}
    cpu, gpu = (
        {name: array.astype(np.float64) for name, array in outputs.items()}
        for at in (None, 0)
        for outputs in OnnxRunner(encoder, 1, gpu=at).run("encoder", [batch])
    )
    assert gpu["OUT_LENS"].tolist() == cpu["OUT_LENS"].tolist()
    assert np.abs(gpu["ENCODER_OUT"] - cpu["ENCODER_OUT"]).max() < 5e-2, "more than TF32's"


def test_a_plan_of_elsewhere_is_refused_here(planned: Path, tmp_path: Path, device: str) -> None:
    record = planned / "demo__encoder" / "1" / "plan.json"
    text = record.read_text()
    try:
        record.write_text(text.replace(device, "NVIDIA Nothing"))
        models = repository.read_all([planned])
        with pytest.raises(RepositoryError, match="the plan is for NVIDIA Nothing"):
            plans.check(models, ["tensorrt", "python"], Options([planned]))
    finally:
        record.write_text(text)
