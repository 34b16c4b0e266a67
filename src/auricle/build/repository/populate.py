"""The folders that Triton loads, written whole or not at all."""

import dataclasses
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from auricle import spec
from auricle.build.families import Built
from auricle.build.repository import config, encoder, target
from auricle.build.repository.aids import Aids
from auricle.build.repository.target import GpuTarget
from auricle.errors import RepositoryError
from auricle.spec import BEAM_SEARCHES, DECODINGS, RESERVED, Choices, Head, RunnerName, encoder_of

MODEL_PY = "from auricle.serve.backend.{mode} import TritonPythonModel  # noqa: F401\n"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
MIN_INSTANCES = 2  # a single one lets what waits stand for up to 0.5 s: docs/log.md
BEAMS: dict[Head, int] = {  # icefall's and sherpa-onnx's active paths
    "transducer": 4,
    "recurrent_transducer": 4,
}


@dataclass(frozen=True)
class Deployment:
    """instances: of each model, None for one a core, but two at least.

    force: give up edits of config.pbtxt.  aids: files for the searches.  gpu: None for a CPU.
    """

    runner: RunnerName = "onnxruntime"
    instances: int | None = None
    force: bool = False
    aids: Aids = field(default_factory=Aids)
    gpu: GpuTarget | None = None


@dataclass(frozen=True)
class Written:
    """kept: configurations that somebody had edited, and that stayed as they were."""

    folders: tuple[Path, ...]
    kept: tuple[Path, ...]


def populate(built: Built, name: str, repository: Path, deployment: Deployment) -> Written:
    """Write <name>, and <name>__encoder if Triton is to run the encoder itself.

    RepositoryError if the name does not fit or the place is taken by something else.
    """
    check_name(name)
    check_target(repository / name)
    check_runner(built, deployment.runner)
    deployment.aids.check(built.spec)
    if not deployment.force:
        check_family(repository / name, built.spec.family)
    configs = _configs(built, name, deployment)
    kept = {} if deployment.force else _edited_configs(repository, configs)
    check_kept(kept.get(name), repository / name, built, deployment)
    if encoder_of(name) in kept:
        encoder.check_kept(kept[encoder_of(name)], repository / encoder_of(name), deployment.gpu)
    with _staging(repository, name) as staging:
        for model in configs:
            (staging / model / "1").mkdir(parents=True)
            text = kept.get(model, configs[model])
            (staging / model / config.FILE_NAME).write_text(text, encoding="utf-8")
        _write_pipeline(built, staging / name / "1", deployment.runner)
        deployment.aids.write(staging / name / "1")
        if deployment.runner == "bls":
            encoder.write(built, staging / encoder_of(name), deployment.gpu)
            _write_fallback(built, name, deployment, staging / encoder_of(name))
        for model in (name, encoder_of(name)):
            _replace(repository / model, staging / model, staging / f"{model}.old")
    return Written(
        tuple(repository / model for model in configs),
        tuple(repository / model / config.FILE_NAME for model in kept),
    )


def check_runner(built: Built, runner: RunnerName) -> None:
    if runner == "bls" and "encoder" not in built.graphs:
        raise RepositoryError(
            f"a model of {_hyphened(built.spec.family)} has no encoder that Triton could run; "
            "leave --runner bls or --backend tensorrt out"
        )


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise RepositoryError(
            f"model name {name!r} does not fit; use letters, digits, '-', '_' and '.', and begin "
            "with a letter or digit"
        )
    if RESERVED in name:
        raise RepositoryError(
            f"model name {name!r} has {RESERVED!r}, which marks the models behind another "
            f"(<model>{RESERVED}encoder); use a single '_'"
        )


def check_target(target: Path) -> None:
    """RepositoryError if the place cannot be written, or holds something else."""
    parent = next(folder for folder in target.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise RepositoryError(
            f"cannot write to {parent}, where {target} would be; name a folder of yours with --repo"
        )
    if target.exists() and not (target / "1" / spec.FILE_NAME).is_file():
        raise RepositoryError(
            f"{target} exists and was not written by `auricle build`; choose another --name, or "
            "move it away"
        )


def check_family(target: Path, family: str) -> None:
    """What callers of a name get should not become another model unasked."""
    if not target.exists():
        return
    found = spec.load(target / "1").family
    if found != family:
        raise RepositoryError(
            f"{target} is a model of {_hyphened(found)}, and this build is of {_hyphened(family)}; "
            "choose another --name, or replace it and its configuration with --force"
        )


def _hyphened(family: str) -> str:
    return family.replace("_", "-")


def choose(built: Built, deployment: Deployment) -> Choices:
    """How to serve the model on a CPU: one thread an instance, and sub-batches of two.

    The look-ahead pays where a call of the joiner is dear against its rows: with a small joiner.
    """
    lookahead = 8 if built.joiner_dim <= 256 else 4
    if built.vocab_size > 1000:
        lookahead = 1
    if built.spec.predictor_state:  # which every call computes anew
        lookahead = 8
    streaming = built.spec.streaming
    longest = built.spec.max_seconds
    rescorer = built.spec.rescorer
    choices = Choices(
        runner=deployment.runner,
        max_sub_batch=config.MAX_BATCH_SIZE if streaming else Choices.max_sub_batch,
        lookahead=lookahead,
        decoding=DECODINGS[built.spec.head][0],
        beam=rescorer.beam if rescorer else BEAMS.get(built.spec.head, Choices.beam),
        max_audio_seconds=min(Choices.max_audio_seconds, longest or Choices.max_audio_seconds),
    )
    if deployment.gpu:
        choices = encoder.restrict(choices, deployment.gpu, streams=streaming is not None)
    choices = deployment.aids.add_to(choices, built.spec)
    cuts = built.spec.vad is not None and built.spec.head != "vad"
    return _with_cuts(choices) if cuts else choices


def _with_cuts(choices: Choices) -> Choices:
    """For pieces that are heard, not for a list of times: wider, and no word is too short.

    Alone, one long request would keep one core busy; with bls, Triton's encoder has the others.
    """
    cores = len(os.sched_getaffinity(0))
    return dataclasses.replace(
        choices,
        vad_workers=1 if choices.runner == "bls" else cores,
        vad_min_speech_duration_ms=0.0,
        vad_min_silence_duration_ms=300.0,
        vad_speech_pad_ms=250.0,
    )


def check_kept(kept: str | None, target: Path, built: Built, deployment: Deployment) -> None:
    """A configuration that is kept must fit the files that are written."""
    if kept is None:
        return
    path = target / config.FILE_NAME
    try:
        value = config.parse(kept)
        values = {key: each.string_value for key, each in value.parameters.items()}
        choices = spec.parse_choices(values)
        spec.check_fit(built.spec, choices)
    except RepositoryError as error:
        raise RepositoryError(f"{path}: {error}; mend it, or give it up with --force") from error
    if value.HasField("sequence_batching") != (built.spec.streaming is not None):
        raise RepositoryError(
            f"{path} was edited and is for {'utterances' if built.spec.streaming else 'streams'}, "
            "which this checkpoint is not; choose another --name, or give the edits up with --force"
        )
    configured = choices.runner
    if configured != deployment.runner:
        raise RepositoryError(
            f"{path} was edited and has runner {configured!r}, but this build is for "
            f"{deployment.runner!r}; build with --runner {configured}, or give the edits up with "
            "--force"
        )
    for key in spec.FILES:
        named, written = getattr(choices, key), deployment.aids.names.get(key, "")
        if named != written:
            raise RepositoryError(
                f"{path} was edited and has {key} {named!r}, but this build writes {written!r}; "
                f"give the file with --{key}, name it there, or give the edits up with --force"
            )


def _configs(built: Built, name: str, deployment: Deployment) -> dict[str, str]:
    """The text of config.pbtxt by model name."""
    choices = choose(built, deployment)
    instances = _count_instances(deployment)
    without: tuple[str, ...] = () if built.spec.head in BEAM_SEARCHES else config.BEAM_ONLY
    if built.spec.streaming:
        configs = {name: config.streaming(name, choices, instances, without=without)}
    else:
        facts = built.spec
        asked = {
            "takes_prompt": facts.prompt,
            "takes_prefix": facts.autoregressive,
        }
        has = {key: value is not None for key, value in asked.items()}
        without += () if facts.vad else config.VAD_ONLY
        configs = {name: config.offline(name, choices, instances, **has, without=without)}
    if deployment.runner == "bls":
        configs[encoder_of(name)] = encoder.configure(
            built, name, choices, instances, deployment.gpu
        )
    elif deployment.gpu:
        target.place_on_gpu(configs[name], target.group(deployment.gpu, instances))
    return {model: config.render(value) for model, value in configs.items()}


def _count_instances(deployment: Deployment) -> int:
    """In process, each instance has the graphs in the GPU's memory once more."""
    if deployment.gpu and deployment.runner == "onnxruntime":
        return deployment.instances or MIN_INSTANCES
    return deployment.instances or max(MIN_INSTANCES, len(os.sched_getaffinity(0)))


def _write_fallback(built: Built, name: str, deployment: Deployment, folder: Path) -> None:
    """The configuration by which a plan's graph is served, where the plan does not fit."""
    gpu = deployment.gpu
    if gpu and gpu.plan:
        path = encoder.fallback_file(folder)
        path.parent.mkdir()
        choices = choose(built, deployment)
        value = encoder.configure_fallback(built, name, choices, MIN_INSTANCES, gpu)
        path.write_text(config.render(value), encoding="utf-8")


def _edited_configs(repository: Path, models: Iterable[str]) -> dict[str, str]:
    """What stands in the repository and differs from what an earlier build wrote."""
    paths = {model: repository / model / config.FILE_NAME for model in models}
    texts = {
        model: path.read_text(encoding="utf-8") for model, path in paths.items() if path.is_file()
    }
    return {model: text for model, text in texts.items() if config.is_edited(text)}


def _write_pipeline(built: Built, version: Path, runner: RunnerName) -> None:
    for role, graph in built.graphs.items():
        if role != "encoder" or runner == "onnxruntime":
            (version / built.spec.graphs[role]).write_bytes(graph.SerializeToString())
    (version / built.spec.tokens).write_text(built.tokens, encoding="utf-8")
    mode = "streaming" if built.spec.streaming else "offline"
    (version / "model.py").write_text(MODEL_PY.format(mode=mode), encoding="utf-8")
    built.spec.save(version)


@contextmanager
def _staging(repository: Path, name: str) -> Iterator[Path]:
    """A hidden folder in the repository, so that renaming out of it is atomic; gone afterwards."""
    repository.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=repository))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _replace(target: Path, new: Path, old: Path) -> None:
    """Put the new folder in the target's place; without a new one, only remove the target."""
    if target.exists():
        target.rename(old)
    if new.exists():
        new.rename(target)
