"""Check model repositories before Triton starts: what it could not load is one sentence here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auricle import spec
from auricle.errors import RepositoryError
from auricle.spec import encoder_of

if TYPE_CHECKING:
    from tritonclient.grpc.model_config_pb2 import ModelConfig

BACKEND_OF_PLATFORM = {
    "onnxruntime_onnx": "onnxruntime",
    "tensorrt_plan": "tensorrt",
    "pytorch_libtorch": "pytorch",
}
DEFAULT_FILE_NAMES = {
    "onnxruntime": "model.onnx",
    "python": "model.py",
    "pytorch": "model.pt",
    "tensorrt": "model.plan",
}
ALL = "*"  # Triton's word for every model of its repositories
OUR_SHELLS = "auricle.serve.backend"  # what the model.py of a pipeline model imports


@dataclass(frozen=True)
class Model:
    """A model folder; version is the folder of its newest version, which Triton serves."""

    folder: Path
    version: Path
    config: "ModelConfig"

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def backend(self) -> str:
        """Empty for an ensemble, which is Triton's own."""
        return self.config.backend or BACKEND_OF_PLATFORM.get(self.config.platform, "")

    @property
    def num_instances(self) -> int:
        return sum(max(group.count, 1) for group in self.config.instance_group) or 1


def check(
    repositories: Sequence[Path], backends: Collection[str], config_name: str | None = None
) -> list[Model]:
    """The models of all repositories; RepositoryError for the first that Triton could not load.

    backends: the names of those that Triton has.  config_name: of the configuration that models
    which have it are served by, in <model>/configs.
    """
    models = read_all(repositories, config_name)
    by_name: dict[str, Model] = {}
    for model in models:
        other = by_name.setdefault(model.name, model)
        if other is not model:
            raise RepositoryError(
                f"two models are named {model.name!r}: {other.folder} and {model.folder}; "
                "rename one, or serve one repository"
            )
    for model in models:
        check_backend(model, backends)
        if is_pipeline(model):
            check_pipeline(model, by_name)
    return models


def read_all(repositories: Sequence[Path], config_name: str | None = None) -> list[Model]:
    return [model for path in repositories for model in read_repository(path, config_name)]


def choose(models: Sequence[Model], names: Collection[str]) -> list[Model]:
    """Those named, and the encoders that they call; RepositoryError for a name that is not one."""
    known = {model.name for model in models}
    if unknown := sorted(set(names) - known):
        raise RepositoryError(
            f"unknown models {', '.join(unknown)} to load; the repositories have: "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    wanted = {*names, *map(encoder_of, names)}
    return [model for model in models if model.name in wanted]


def read_repository(path: Path, config_name: str | None = None) -> list[Model]:
    if not path.is_dir():
        raise RepositoryError(
            f"no model repository {path}; make one with `auricle build FAMILY --from CHECKPOINT "
            f"--name MODEL --repo {path}`, or name another with --repo"
        )
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir())
    visible = [folder for folder in folders if not folder.name.startswith(".")]
    return [read_model(folder, config_name) for folder in visible]


def check_not_empty(models: Sequence[Model], repositories: Sequence[Path]) -> None:
    """For a server that could load none later."""
    if not models:
        raise RepositoryError(
            f"no model to serve: {', '.join(map(str, repositories))} is empty; fill it with "
            f"`auricle build FAMILY --from CHECKPOINT --name MODEL --repo {repositories[0]}`"
        )


def read_model(folder: Path, config_name: str | None = None) -> Model:
    named = folder / "configs" / f"{config_name}.pbtxt"
    config = read_config(named if config_name and named.is_file() else folder / "config.pbtxt")
    if config.name not in ("", folder.name):
        raise RepositoryError(
            f"{folder}/config.pbtxt names its model {config.name!r}, but Triton takes the folder's "
            f"name {folder.name!r}; make them equal"
        )
    versions = [entry for entry in folder.iterdir() if entry.is_dir() and entry.name.isdecimal()]
    if not versions:
        raise RepositoryError(
            f"{folder} has no version folder such as {folder}/1; run `auricle build` again, or "
            "remove the folder"
        )
    return Model(folder, max(versions, key=lambda path: int(path.name)), config)


def read_config(path: Path) -> "ModelConfig":
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2 as pb

    if not path.is_file():
        raise RepositoryError(
            f"{path.parent} has no config.pbtxt; run `auricle build` again, or remove the folder"
        )
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), pb.ModelConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise RepositoryError(f"{path} is not a model configuration: {error}") from error


def check_backend(model: Model, backends: Collection[str]) -> None:
    if not model.backend:
        return
    if model.backend not in backends:
        raise RepositoryError(
            f"model {model.name!r} wants the backend {model.backend!r}, but this tritonserver has "
            f"{', '.join(sorted(backends))}; build the model for one of these, or use an NGC image"
        )
    file_name = model.config.default_model_filename or DEFAULT_FILE_NAMES.get(model.backend)
    if file_name and not model.config.cc_model_filenames:
        require(model, file_name, f"the backend {model.backend} reads")


def is_pipeline(model: Model) -> bool:
    """Whether the model is one of ours that takes waveforms."""
    if model.backend != "python":
        return False
    file_name = model.config.default_model_filename or DEFAULT_FILE_NAMES["python"]
    return OUR_SHELLS.encode() in (model.version / file_name).read_bytes()


def check_pipeline(model: Model, names: Collection[str]) -> None:
    facts = spec.load(model.version)
    parameters = {name: value.string_value for name, value in model.config.parameters.items()}
    try:
        choices = spec.parse_choices(parameters)
        spec.check_fit(facts, choices)
    except RepositoryError as error:
        raise RepositoryError(f"{model.folder}: {error}") from error
    graphs = dict(facts.graphs)
    if choices.runner == "bls":
        graphs.pop("encoder", None)
        if encoder_of(model.name) not in names:
            raise RepositoryError(lacks_encoder(model.name, f"{model.folder}/config.pbtxt"))
    for file_name in (*graphs.values(), facts.tokens):
        require(model, file_name, f"its {spec.FILE_NAME} names")


def lacks_encoder(name: str, config: str) -> str:
    """What is wrong with a model, and what to do; config: where its parameters are."""
    return (
        f"model {name!r} has runner bls, but its repository has no model {encoder_of(name)!r}; run "
        f"`auricle build` again with that runner, or set the parameter runner of {config} to "
        "onnxruntime"
    )


def require(model: Model, file_name: str, reason: str) -> None:
    if not (model.version / file_name).exists():
        raise RepositoryError(
            f"{model.version} has no {file_name}, which {reason}; run `auricle build` again"
        )
