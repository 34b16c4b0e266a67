"""What a GPU and a plan change in the configurations, and nothing beside it."""

from dataclasses import replace
from pathlib import Path

import pytest
from tritonclient.grpc import model_config_pb2 as pb

from auricle import spec
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Built, Options, load
from auricle.build.repository import config
from auricle.build.repository.populate import Deployment, populate
from auricle.build.repository.target import GpuTarget, PlanFiles
from auricle.errors import RepositoryError
from auricle.spec.plan import PlanRecord, Shapes, load_plan
from tests.build import tiny, tiny_streaming

pytestmark = pytest.mark.onnx

SHAPES: Shapes = {"WAV": [[1, 1600], [4, 8000], [16, 160000]], "WAV_LENS": [[1], [4], [16]]}
RECORD = PlanRecord(
    "10.16.0", "26.09", "NVIDIA H200", "9.0", "fp32", [SHAPES], "0", "1", ["trtexec"]
)
GPU = GpuTarget((0.1, 0.5, 10.0), (1, 4, 16), "26.09")
GROUP = pb.ModelInstanceGroup


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tiny.write_transducer(tmp_path_factory.mktemp("checkpoint"))
    return load("icefall-transducer").build(Checkpoint(folder, "tiny"), Options())


@pytest.fixture
def planned(tmp_path: Path) -> GpuTarget:
    plan = tmp_path / "drafts" / "some.plan"
    plan.parent.mkdir()
    plan.write_bytes(b"a plan")
    return replace(GPU, plan=PlanFiles(plan, RECORD))


def write(built: Built, repository: Path, gpu: GpuTarget | None, **changes: object) -> None:
    deployment = Deployment(runner="bls", instances=2, gpu=gpu)
    populate(built, "demo", repository, replace(deployment, **changes))  # type: ignore[arg-type]


def read(repository: Path, path: str = "demo__encoder/config.pbtxt") -> pb.ModelConfig:
    return config.parse((repository / path).read_text())


def choices_of(repository: Path) -> spec.Choices:
    parameters = read(repository, "demo/config.pbtxt").parameters
    return spec.parse_choices({name: value.string_value for name, value in parameters.items()})


def differing(one: pb.ModelConfig, other: pb.ModelConfig) -> set[str]:
    fields = (field.name for field in pb.ModelConfig.DESCRIPTOR.fields)
    empty = pb.ModelConfig()

    def value(config: pb.ModelConfig, name: str) -> str:
        alone = pb.ModelConfig()
        alone.CopyFrom(config)
        for field in pb.ModelConfig.DESCRIPTOR.fields:
            if field.name != name:
                alone.ClearField(field.name)
        return str(alone) if alone != empty else ""

    return {name for name in fields if value(one, name) != value(other, name)}


def test_a_plan_differs_from_a_graph_on_a_gpu_only_in_who_runs_it(
    built: Built, tmp_path: Path, planned: GpuTarget
) -> None:
    write(built, tmp_path / "onnx", GPU)
    write(built, tmp_path / "plan", planned)
    assert differing(read(tmp_path / "onnx"), read(tmp_path / "plan")) == {
        "backend", "default_model_filename", "optimization", "parameters",
    }  # fmt: skip
    assert (
        differing(*(read(tmp_path / each, "demo/config.pbtxt") for each in ("onnx", "plan")))
        == set()
    )


def test_a_gpu_changes_rows_devices_and_warm_up(built: Built, tmp_path: Path) -> None:
    write(built, tmp_path / "cpu", None)
    write(built, tmp_path / "gpu", GPU)
    assert differing(read(tmp_path / "cpu"), read(tmp_path / "gpu")) == {
        "instance_group", "max_batch_size", "model_warmup", "optimization", "parameters",
    }  # fmt: skip


def test_a_plan_is_named_and_run_by_tensorrt(
    built: Built, tmp_path: Path, planned: GpuTarget
) -> None:
    write(built, tmp_path, planned)
    value = read(tmp_path)
    assert (value.backend, value.default_model_filename) == ("tensorrt", "model.plan")
    assert value.max_batch_size == 16
    assert dict(value.parameters) == {}
    assert not value.HasField("optimization")
    assert [(g.kind, g.count, list(g.gpus), list(g.profile)) for g in value.instance_group] == [
        (GROUP.KIND_GPU, 1, [], [])
    ]
    version = tmp_path / "demo__encoder" / "1"
    assert (version / "model.plan").read_bytes() == b"a plan"
    assert load_plan(version / "plan.json") == RECORD
    assert (version / "model.onnx").is_file()


def test_lengths_travel_to_a_plan_as_they_do_to_a_graph(
    built: Built, tmp_path: Path, planned: GpuTarget
) -> None:
    """Triton's TensorRT backend compares the engine's [N] with the reshape, where there is one."""
    write(built, tmp_path, planned)
    lens = read(tmp_path).input[1]
    assert (lens.name, lens.data_type, list(lens.dims)) == ("WAV_LENS", pb.TYPE_INT32, [1])
    assert lens.HasField("reshape")
    assert list(lens.reshape.shape) == []


def test_several_profiles_and_gpus_are_listed(
    built: Built, tmp_path: Path, planned: GpuTarget
) -> None:
    assert planned.plan
    record = replace(RECORD, profiles=[SHAPES, SHAPES])
    both = replace(planned, gpus=(1, 3), plan=replace(planned.plan, record=record))
    write(built, tmp_path, both)
    (group,) = read(tmp_path).instance_group
    assert (list(group.profile), list(group.gpus)) == (["0", "1"], [1, 3])


def test_cuda_graphs_are_a_plans(built: Built, tmp_path: Path, planned: GpuTarget) -> None:
    write(built, tmp_path, replace(planned, cuda_graphs=True))
    assert read(tmp_path).optimization.cuda.graphs


def test_the_fallback_is_the_same_model_by_its_graph(
    built: Built, tmp_path: Path, planned: GpuTarget
) -> None:
    write(built, tmp_path, planned)
    fallback = read(tmp_path, "demo__encoder/configs/onnx.pbtxt")
    assert differing(read(tmp_path), fallback) == {
        "backend", "default_model_filename", "instance_group", "optimization", "parameters",
    }  # fmt: skip
    assert (fallback.backend, fallback.default_model_filename) == ("onnxruntime", "model.onnx")
    assert fallback.instance_group[0].kind == GROUP.KIND_AUTO


def test_a_graph_on_a_gpu_has_what_varying_lengths_need(built: Built, tmp_path: Path) -> None:
    write(built, tmp_path, GPU)
    value = read(tmp_path)
    (accelerator,) = value.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "cuda"
    assert dict(accelerator.parameters) == {
        "cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested",
    }  # fmt: skip
    key = "session.use_device_allocator_for_initializers"
    assert value.parameters[key].string_value == "1"
    assert [group.kind for group in value.instance_group] == [GROUP.KIND_GPU]


@pytest.mark.parametrize(("tag", "has_it"), [("25.01", False), ("24.12", False), ("25.02", True)])
def test_the_device_allocator_is_for_releases_that_know_it(
    built: Built, tmp_path: Path, tag: str, has_it: bool
) -> None:
    write(built, tmp_path, replace(GPU, triton_tag=tag))
    key = "session.use_device_allocator_for_initializers"
    assert (key in read(tmp_path).parameters) == has_it


def test_sessions_of_the_pipeline_are_on_the_gpu_only_where_it_runs_the_encoder(
    built: Built, tmp_path: Path
) -> None:
    write(built, tmp_path / "bls", GPU)
    write(built, tmp_path / "own", GPU, runner="onnxruntime")
    kinds = [
        read(tmp_path / each, "demo/config.pbtxt").instance_group[0].kind for each in ("bls", "own")
    ]
    assert kinds == [GROUP.KIND_CPU, GROUP.KIND_GPU]


def test_requests_are_as_the_plan_takes_them(
    built: Built, tmp_path: Path, planned: GpuTarget
) -> None:
    write(built, tmp_path, planned)
    choices = choices_of(tmp_path)
    assert (choices.runner, choices.max_sub_batch) == ("bls", 4)
    assert (choices.bucket_seconds, choices.max_audio_seconds) == (2.0, 10.0)


def test_buckets_are_off_on_a_cpu(built: Built, tmp_path: Path) -> None:
    write(built, tmp_path, None)
    assert choices_of(tmp_path).bucket_seconds == 0


def test_every_usual_bucket_is_warmed_within_the_plans_bounds(
    built: Built, tmp_path: Path, planned: GpuTarget
) -> None:
    write(built, tmp_path, planned)
    shapes = {(each.batch_size, each.inputs["WAV"].dims[0]) for each in read(tmp_path).model_warmup}
    seconds = {samples / 16000 for _, samples in shapes}
    assert seconds == {2, 4, 6, 8, 10}
    assert {rows for rows, _ in shapes} == {1, 4}
    folder = tmp_path / "demo__encoder" / "warmup"
    assert {int(path.name) / 16000 for path in folder.iterdir()} == seconds


def test_a_plan_of_windows_varies_in_rows_alone(tmp_path: Path, planned: GpuTarget) -> None:
    folder = tiny_streaming.write_transducer(tmp_path / "checkpoint")
    streams = load("icefall-transducer").build(Checkpoint(folder, "tiny"), Options(streaming=True))
    write(streams, tmp_path / "models", planned)
    value = read(tmp_path / "models")
    assert {each.batch_size for each in value.model_warmup} == {1, 4}
    assert choices_of(tmp_path / "models").max_sub_batch == 16


def test_what_somebody_edited_for_another_backend_is_not_mixed(
    built: Built, tmp_path: Path, planned: GpuTarget
) -> None:
    write(built, tmp_path, GPU)
    path = tmp_path / "demo__encoder" / "config.pbtxt"
    path.write_text(path.read_text().replace("count: 1", "count: 2"))
    with pytest.raises(RepositoryError, match=r"backend 'onnxruntime'.*--force"):
        write(built, tmp_path, planned)
    write(built, tmp_path, planned, force=True)
    assert read(tmp_path).backend == "tensorrt"


@pytest.mark.parametrize("gpu", [None, GPU])
def test_every_configuration_is_what_is_parsed(
    built: Built, tmp_path: Path, gpu: GpuTarget | None
) -> None:
    write(built, tmp_path, gpu)
    for path in tmp_path.rglob("*.pbtxt"):
        text = path.read_text()
        assert config.render(config.parse(text)) == text
        assert not config.is_edited(text)
