import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from auricle.errors import RepositoryError
from auricle.server import repository
from auricle.spec import Choices
from tests.conftest import TRANSDUCER_SPEC

BACKENDS = ["onnxruntime", "python"]


def write_config(folder: Path, backend: str, choices: Choices | None = None) -> None:
    parameters = choices.to_parameters() if choices else {}
    lines = [f'backend: "{backend}"', "instance_group { kind: KIND_CPU count: 2 }"]
    lines += [
        f'parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}'
        for name, value in parameters.items()
    ]
    (folder / "config.pbtxt").write_text("\n".join(lines))


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The folder of a pipeline model, as `auricle build` writes it."""
    version = tmp_path / "models" / "demo" / "1"
    version.mkdir(parents=True)
    write_config(version.parent, "python", Choices())
    (version / "model.py").write_text(
        "from auricle.serve.backend.offline import TritonPythonModel  # noqa: F401\n"
    )
    TRANSDUCER_SPEC.save(version)
    for name in (*TRANSDUCER_SPEC.graphs.values(), TRANSDUCER_SPEC.tokens):
        (version / name).touch()
    return version.parent


def check(*repositories: Path) -> list[repository.Model]:
    return repository.check(repositories, BACKENDS)


def test_a_whole_model_passes(demo: Path) -> None:
    (model,) = check(demo.parent)
    assert (model.name, model.version, model.num_instances) == ("demo", demo / "1", 2)


def test_files_and_hidden_folders_are_not_models(demo: Path) -> None:
    (demo.parent / "README.md").touch()
    (demo.parent / ".git").mkdir()
    assert [model.name for model in check(demo.parent)] == ["demo"]


def test_the_newest_version_is_the_one_that_counts(demo: Path) -> None:
    (demo / "9").mkdir()
    (demo / "10").mkdir()
    (demo / "10" / "model.py").touch()
    assert check(demo.parent)[0].version == demo / "10"


def test_a_pipeline_may_have_another_file_name(demo: Path) -> None:
    (demo / "1" / "model.py").rename(demo / "1" / "shell.py")
    with (demo / "config.pbtxt").open("a") as config:
        config.write('\ndefault_model_filename: "shell.py"\n')
    assert [model.name for model in check(demo.parent)] == ["demo"]
    (demo / "1" / "tokens.txt").unlink()
    with pytest.raises(RepositoryError, match=r"tokens\.txt"):
        check(demo.parent)


@pytest.mark.parametrize(
    "name", ["model.py", "pipeline.json", "encoder.onnx", "joiner.onnx", "tokens.txt"]
)
def test_a_missing_file_is_named(demo: Path, name: str) -> None:
    (demo / "1" / name).unlink()
    with pytest.raises(RepositoryError, match=rf"{name}.*`auricle build`"):
        check(demo.parent)


def write_bls(demo: Path) -> None:
    write_config(demo, "python", Choices(runner="bls"))
    (demo / "1" / "encoder.onnx").unlink()


def test_bls_wants_the_encoder_as_a_model(demo: Path) -> None:
    write_bls(demo)
    with pytest.raises(RepositoryError, match="has no model 'demo__encoder'"):
        check(demo.parent)


def test_bls_with_its_encoder_passes(demo: Path) -> None:
    write_bls(demo)
    encoder = demo.parent / "demo__encoder"
    (encoder / "1").mkdir(parents=True)
    write_config(encoder, "onnxruntime")
    (encoder / "1" / "model.onnx").touch()
    assert [model.name for model in check(demo.parent)] == ["demo", "demo__encoder"]


def no_repository(demo: Path) -> None:
    shutil.rmtree(demo.parent)


def no_config(demo: Path) -> None:
    (demo / "config.pbtxt").unlink()


def broken_config(demo: Path) -> None:
    (demo / "config.pbtxt").write_text('backend: "python"\nmax_batch_size: MANY')


def other_name(demo: Path) -> None:
    (demo / "config.pbtxt").write_text('name: "other" backend: "python"')


def no_version(demo: Path) -> None:
    (demo / "1").rename(demo / "one")


def unknown_backend(demo: Path) -> None:
    write_config(demo, "tensorrt")


def unknown_platform(demo: Path) -> None:
    (demo / "config.pbtxt").write_text('platform: "tensorrt_plan"')


def no_graph(demo: Path) -> None:
    write_config(demo, "onnxruntime")


def unknown_parameter(demo: Path) -> None:
    config = demo / "config.pbtxt"
    typo = 'parameters { key: "theads" value { string_value: "1" } }'
    config.write_text(config.read_text() + typo)


def unfit_decoding(demo: Path) -> None:
    write_config(demo, "python", Choices(decoding="attention_rescoring"))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (no_repository, "no model repository .*; make one with `auricle build"),
        (no_config, "demo has no config.pbtxt"),
        (broken_config, "config.pbtxt is not a model configuration: 2:17 .*MANY"),
        (other_name, "names its model 'other', but Triton takes the folder's name 'demo'"),
        (no_version, "demo has no version folder such as .*demo/1"),
        (unknown_backend, "wants the backend 'tensorrt', .* has onnxruntime, python;"),
        (unknown_platform, "wants the backend 'tensorrt'"),
        (no_graph, "has no model.onnx, which the backend onnxruntime reads"),
        (unknown_parameter, r"demo: config.pbtxt has unknown parameters \['theads'\]; known"),
        (unfit_decoding, "demo: parameter decoding is 'attention_rescoring', but"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_triton_could_not_load_is_a_sentence(
    demo: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    spoil(demo)
    with pytest.raises(RepositoryError) as caught:
        check(demo.parent)
    assert re.search(sentence, str(caught.value))
    assert "\n" not in str(caught.value)


def test_one_of_two_repositories_may_be_empty(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert len(check(tmp_path / "empty", demo.parent)) == 1


def test_without_any_model_there_is_nothing_to_serve(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=f"{tmp_path} is empty; fill it with `auricle build"):
        repository.check_not_empty(check(tmp_path), [tmp_path])


def test_a_chosen_pipeline_brings_its_encoder(demo: Path) -> None:
    write_bls(demo)
    for name in ("demo__encoder", "other"):
        (demo.parent / name / "1").mkdir(parents=True)
        write_config(demo.parent / name, "onnxruntime")
        (demo.parent / name / "1" / "model.onnx").touch()
    models = check(demo.parent)
    chosen = repository.choose(models, ["demo"])
    assert [model.name for model in chosen] == ["demo", "demo__encoder"]
    assert repository.choose(models, []) == []
    with pytest.raises(RepositoryError, match=r"unknown models dmeo to load; .* have: demo, "):
        repository.choose(models, ["dmeo"])


def test_two_models_of_one_name_are_refused(demo: Path, tmp_path: Path) -> None:
    other = tmp_path / "others" / "demo"
    (other / "1").mkdir(parents=True)
    write_config(other, "onnxruntime")
    with pytest.raises(RepositoryError, match="two models are named 'demo'"):
        check(demo.parent, other.parent)


def test_an_ensemble_needs_no_file(tmp_path: Path) -> None:
    (tmp_path / "chain" / "1").mkdir(parents=True)
    (tmp_path / "chain" / "config.pbtxt").write_text('platform: "ensemble"')
    assert [model.name for model in check(tmp_path)] == ["chain"]
