"""The encoder as Triton's own model: its configurations, its graph or plan, its warm-up."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

from tritonclient.grpc import model_config_pb2 as pb

from auricle import wire
from auricle.build.export.graph import Port, port_of
from auricle.build.families import Built
from auricle.build.repository import config, target
from auricle.build.repository.target import GpuTarget
from auricle.errors import RepositoryError
from auricle.spec import Choices, encoder_of
from auricle.spec.plan import ONNX_CONFIG, PLAN_FILE, RECORD_FILE

GRAPH_FILE = "model.onnx"
WARM_UP_SECONDS = (1, 5, 15)
MAX_WARM_UP_SECONDS = 16  # of a GPU's buckets; longer ones are seldom
GPU_INSTANCES = 1  # on each; a second would share the same cores and double the memory

WarmUp = tuple[int, int, dict[str, int]]  # rows, samples, and the integer inputs that go with them


def configure(
    built: Built, name: str, choices: Choices, instances: int, gpu: GpuTarget | None
) -> pb.ModelConfig:
    """config.pbtxt of <name>__encoder.  instances: on a CPU."""
    model = _on_cpu(built, name, choices, instances, gpu)
    if gpu is None:
        return model
    num_profiles = len(gpu.plan.record.profiles) if gpu.plan else 1
    model.max_batch_size = gpu.batch[2]
    target.place_on_gpu(model, target.group(gpu, GPU_INSTANCES, num_profiles))
    if gpu.plan:
        target.run_plan(model, gpu, PLAN_FILE)
    else:
        target.run_onnx(model, gpu)
    return model


def configure_fallback(
    built: Built, name: str, choices: Choices, instances: int, gpu: GpuTarget
) -> pb.ModelConfig:
    """The same model by its graph, wherever it is: Triton chooses the devices."""
    model = _on_cpu(built, name, choices, instances, gpu)
    model.max_batch_size = gpu.batch[2]
    model.default_model_filename = GRAPH_FILE
    del model.instance_group[:]
    model.instance_group.add(count=instances, kind=pb.ModelInstanceGroup.KIND_AUTO)
    target.run_onnx(model, gpu)
    return model


def check_kept(kept: str, folder: Path, gpu: GpuTarget | None) -> None:
    """RepositoryError if a configuration that is kept is for another backend."""
    path = folder / config.FILE_NAME
    found, wanted = config.parse(kept).backend, gpu.backend if gpu else "onnxruntime"
    if found != wanted:
        raise RepositoryError(
            f"{path} was edited and is for the backend {found!r}, but this build is for "
            f"{wanted!r}; give the edits up with --force"
        )


def write(built: Built, folder: Path, gpu: GpuTarget | None) -> None:
    """All but the configurations; the graph is there beside a plan, too."""
    (folder / "1" / GRAPH_FILE).write_bytes(built.graphs["encoder"].SerializeToString())
    if gpu and gpu.plan:
        shutil.copyfile(gpu.plan.plan, folder / "1" / PLAN_FILE)
        record = gpu.plan.record.to_json()
        (folder / "1" / RECORD_FILE).write_text(record, encoding="utf-8")
    (folder / "warmup").mkdir()
    for number in {n for *_, numbers in _warm_ups(built, gpu) for n in numbers.values()}:
        (folder / "warmup" / str(number)).write_bytes(number.to_bytes(4, "little"))


def fallback_file(folder: Path) -> Path:
    return folder / "configs" / f"{ONNX_CONFIG}.pbtxt"


def _on_cpu(
    built: Built, name: str, choices: Choices, instances: int, gpu: GpuTarget | None
) -> pb.ModelConfig:
    inputs, outputs = _ports(built)
    model = config.encoder(encoder_of(name), (inputs, outputs), choices, instances)
    for rows, num_samples, numbers in _warm_ups(built, gpu):
        model.model_warmup.append(config.warm_up(inputs, num_samples, numbers, rows))
    return model


def _ports(built: Built) -> tuple[list[Port], list[Port]]:
    graph = built.graphs["encoder"].graph
    return [port_of(value) for value in graph.input], [port_of(v) for v in graph.output]


def _warm_ups(built: Built, gpu: GpuTarget | None) -> list[WarmUp]:
    facts = built.spec
    rows = sorted({1, gpu.batch[1]}) if gpu else [1]
    if facts.streaming:
        return [(each, facts.streaming.window, {}) for each in rows]
    prompt = {}
    if facts.prompt:
        prompt[wire.LANGUAGE.name] = next(iter(facts.prompt.languages.values()))
        prompt[wire.TEXT_NORM.name] = next(iter(facts.prompt.text_norms.values()))
    return [
        (each, number, {wire.WAV_LENS.name: number, **prompt})
        for number in _lengths(built, gpu)
        for each in rows
    ]


def _lengths(built: Built, gpu: GpuTarget | None) -> list[int]:
    """Samples of silence: on a GPU, of every usual bucket."""
    facts = built.spec
    longest = min(facts.max_seconds or float("inf"), gpu.seconds[2] if gpu else float("inf"))
    seconds = list(_buckets(gpu)) if gpu and gpu.bucket_seconds else list(WARM_UP_SECONDS)
    samples = [int(min(each, longest) * facts.sample_rate) for each in seconds]
    return list(dict.fromkeys(samples)) if gpu else samples


def _buckets(gpu: GpuTarget) -> Iterator[float]:
    seconds = gpu.bucket_seconds
    while seconds <= MAX_WARM_UP_SECONDS:
        yield seconds
        seconds += gpu.bucket_seconds
    yield gpu.seconds[2]


def restrict(choices: Choices, gpu: GpuTarget, *, streams: bool) -> Choices:
    """As many rows as a GPU likes at once, no longer than its plan takes, in repeating shapes."""
    if streams:
        return dataclasses.replace(choices, max_sub_batch=gpu.batch[2])
    return dataclasses.replace(
        choices,
        max_sub_batch=gpu.batch[1],
        max_audio_seconds=min(choices.max_audio_seconds, gpu.seconds[2]),
        bucket_seconds=gpu.bucket_seconds,
    )
