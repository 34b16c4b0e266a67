"""The written repository of a model of streams."""

from pathlib import Path

import pytest

from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Built, Options, load
from auricle.build.repository import config
from auricle.build.repository.populate import Deployment, choose, populate
from auricle.errors import RepositoryError
from tests.build import tiny, tiny_streaming

pytestmark = pytest.mark.onnx

IN_PROCESS, BLS = Deployment(), Deployment(runner="bls")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tiny_streaming.write_transducer(tmp_path_factory.mktemp("streaming"))
    return load("icefall-transducer").build(Checkpoint(folder, "tiny"), Options())


def test_a_model_of_streams_is_one_of_its_own_kind(live: Built, tmp_path: Path) -> None:
    populate(live, "live", tmp_path, IN_PROCESS)
    value = config.parse((tmp_path / "live" / "config.pbtxt").read_text())
    assert value.HasField("sequence_batching")
    assert (tmp_path / "live" / "1" / "model.py").read_text().startswith(
        "from auricle.serve.backend.streaming import TritonPythonModel"
    )  # fmt: skip


def test_an_encoder_of_streams_is_warmed_up_by_a_window(live: Built, tmp_path: Path) -> None:
    populate(live, "live", tmp_path, BLS)
    value = config.parse((tmp_path / "live__encoder" / "config.pbtxt").read_text())
    assert live.spec.streaming is not None
    (warm_up,) = value.model_warmup
    assert {name: list(each.dims) for name, each in warm_up.inputs.items()} == {
        "CHUNK": [live.spec.streaming.window],
        "STATE": [live.spec.streaming.state_size],
    }


def test_the_windows_of_all_streams_are_one_run(live: Built) -> None:
    assert choose(live, IN_PROCESS).max_sub_batch == 64


def edit(path: Path) -> None:
    path.write_text(path.read_text().replace("max_batch_size: 64", "max_batch_size: 9"))


def test_an_edit_for_utterances_is_not_kept_for_streams(live: Built, tmp_path: Path) -> None:
    folder = tiny.write_transducer(tmp_path / "checkpoint")
    built = load("icefall-transducer").build(Checkpoint(folder, "tiny"), Options())
    (written,) = populate(built, "demo", tmp_path, IN_PROCESS).folders
    edit(written / "config.pbtxt")
    with pytest.raises(RepositoryError, match=r"is for utterances.*--force"):
        populate(live, "demo", tmp_path, IN_PROCESS)
    populate(live, "demo", tmp_path, Deployment(force=True))
    edit(written / "config.pbtxt")
    with pytest.raises(RepositoryError, match=r"is for streams.*--force"):
        populate(built, "demo", tmp_path, IN_PROCESS)
