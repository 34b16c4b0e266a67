"""A plan's graph in its stead, by a Triton that has no TensorRT."""

from dataclasses import replace
from pathlib import Path

import pytest
import tritonclient.grpc as kserve

from auricle import audio as files
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options as FamilyOptions
from auricle.build.families import load
from auricle.build.repository.populate import Deployment, populate
from auricle.build.repository.target import GpuTarget, PlanFiles
from auricle.errors import RepositoryError
from auricle.server import Options, free_ports, serve
from auricle.spec.plan import PlanRecord
from tests.conftest import ROOT
from tests.live.asking import Asker, audio, results

pytestmark = pytest.mark.triton

RECORD = PlanRecord("10.16.0", "26.05", "NVIDIA H200", "9.0", "fp32", [], "0", "1", ["trtexec"])


@pytest.fixture(scope="module")
def repository(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """demo, whose encoder is a plan of another machine, and plain, the same in process."""
    folder = tmp_path_factory.mktemp("planned")
    plan = folder / "some.plan"
    plan.write_bytes(b"of an H200")
    checkpoint = Checkpoint(assets / "icefall-transducer", "demo")
    built = load("icefall-transducer").build(checkpoint, FamilyOptions())
    gpu = GpuTarget((0.1, 8.0, 39.0), (1, 4, 16), "26.05", plan=PlanFiles(plan, RECORD))
    deployment = Deployment(runner="bls", instances=2, gpu=gpu)
    populate(built, "demo", folder / "models", deployment)
    populate(built, "plain", folder / "models", Deployment(instances=2))
    return folder / "models"


def test_it_is_refused_before_the_start(repository: Path, tmp_path: Path) -> None:
    options = Options([repository], ports=free_ports(), log_file=tmp_path / "log")
    with (
        pytest.raises(
            RepositoryError, match=r"demo__encoder.*no backend tensorrt.*--onnx-fallback"
        ),
        serve(options),
    ):
        pass
    assert not (tmp_path / "log").exists()


def test_its_graph_says_the_same_as_in_process(repository: Path, tmp_path: Path) -> None:
    """So buckets of 2 s, batches of a GPU and a warm-up of several rows change no word either."""
    options = Options([repository], ports=free_ports(), log_file=tmp_path / "log")
    paths = sorted((ROOT / "client" / "test_wavs").glob("*.wav"))[:6]
    waveforms = [files.load(path, 16000) for path in paths]
    with (
        serve(replace(options, onnx_fallback=True)) as server,
        kserve.InferenceServerClient(server.grpc_address) as client,
    ):
        config = client.get_model_config("demo__encoder").config
        said = [
            [each.text for waveform in waveforms
             for each in results(Asker(client, model).send(audio([waveform])).result(60))]
            for model in ("demo", "plain")
        ]  # fmt: skip
    assert server.notes == (
        "demo__encoder by ONNX Runtime: it is a TensorRT plan, and this tritonserver has no "
        "backend tensorrt",
    )
    assert (config.backend, config.default_model_filename) == ("onnxruntime", "model.onnx")
    assert said[0] == said[1]
    assert all(said[0])
