"""Files that help a search, from the command to the repository."""

import dataclasses
from pathlib import Path

import pytest

from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Built, Options, load
from auricle.build.repository import config
from auricle.build.repository.aids import Aids
from auricle.build.repository.populate import Deployment, choose, populate
from auricle.errors import RepositoryError
from auricle.spec import BEAM_SEARCHES, Choices, Head, Rescorer, parse_choices
from tests.build import tiny

pytestmark = pytest.mark.onnx

PLAIN = Deployment()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tiny.write_transducer(tmp_path_factory.mktemp("checkpoint"))
    return load("icefall-transducer").build(Checkpoint(folder, "tiny"), Options())


@pytest.fixture
def aids(tmp_path: Path) -> Aids:
    for name in ("words.3.arpa.gz", "mine.yaml", "bpe.model"):
        (tmp_path / name).write_text(name)
    return Aids(
        tmp_path / "words.3.arpa.gz", "words", tmp_path / "mine.yaml", tmp_path / "bpe.model"
    )


def with_head(built: Built, head: Head) -> Built:
    rescorer = Rescorer(7, 2, 2, is_bidirectional=True) if head == "ctc_attention" else None
    return dataclasses.replace(
        built, spec=dataclasses.replace(built.spec, head=head, rescorer=rescorer)
    )


def read(repository: Path) -> Choices:
    parameters = config.parse((repository / "demo" / config.FILE_NAME).read_text()).parameters
    return parse_choices({key: value.string_value for key, value in parameters.items()})


def test_files_stand_beside_the_graphs_by_what_they_are(
    built: Built, aids: Aids, tmp_path: Path
) -> None:
    populate(built, "demo", tmp_path / "repo", Deployment(aids=aids))
    version = tmp_path / "repo" / "demo" / "1"
    copied = {name: (version / name).read_text() for name in ("lm.arpa.gz", "hotwords.yaml",
              "bpe.model")}  # fmt: skip
    assert list(copied.values()) == ["words.3.arpa.gz", "mine.yaml", "bpe.model"]


def test_config_pbtxt_names_them_and_a_search_that_reads_them(
    built: Built, aids: Aids, tmp_path: Path
) -> None:
    populate(built, "demo", tmp_path / "repo", Deployment(aids=aids))
    choices = read(tmp_path / "repo")
    assert (choices.lm, choices.lm_units, choices.hotwords) == (
        "lm.arpa.gz", "words", "hotwords.yaml",
    )  # fmt: skip
    assert choices.decoding == "modified_beam_search"


@pytest.mark.parametrize("head", BEAM_SEARCHES)
def test_every_head_with_a_beam_is_decoded_by_it(built: Built, aids: Aids, head: Head) -> None:
    choices = choose(with_head(built, head), Deployment(aids=aids))
    assert choices.decoding == BEAM_SEARCHES[head]


@pytest.mark.parametrize(("head", "beam"), [("transducer", 4), ("ctc", 10), ("ctc_attention", 7)])
def test_a_beam_is_as_wide_as_the_field_has_it(built: Built, head: Head, beam: int) -> None:
    assert choose(with_head(built, head), PLAIN).beam == beam


def test_without_files_nothing_is_named_and_greedy_stays_greedy(
    built: Built, tmp_path: Path
) -> None:
    populate(built, "demo", tmp_path, PLAIN)
    choices = read(tmp_path)
    assert (choices.lm, choices.hotwords, choices.decoding) == ("", "", "greedy_search")


def test_sentencepiece_alone_chooses_no_beam(built: Built, aids: Aids, tmp_path: Path) -> None:
    only = dataclasses.replace(aids, lm=None, hotwords=None)
    populate(built, "demo", tmp_path / "repo", Deployment(aids=only))
    assert (tmp_path / "repo" / "demo" / "1" / "bpe.model").is_file()
    assert read(tmp_path / "repo").decoding == "greedy_search"


@pytest.mark.parametrize("head", ["cif", "autoregressive", "vad"])
@pytest.mark.parametrize(("option", "other"), [("lm", "hotwords"), ("hotwords", "lm")])
def test_a_family_without_a_beam_takes_none(
    built: Built, aids: Aids, tmp_path: Path, head: Head, option: str, other: str
) -> None:
    only = dataclasses.replace(aids, **{other: None})  # type: ignore[arg-type]
    with pytest.raises(RepositoryError) as raised:
        populate(with_head(built, head), "demo", tmp_path / "repo", Deployment(aids=only))
    assert str(raised.value) == (
        f"--{option} helps a search with a beam, but icefall-transducer has none; leave it out"
    )
    assert not (tmp_path / "repo").exists()


@pytest.mark.parametrize("option", ["lm", "hotwords"])
def test_a_file_that_is_not_there_is_named(
    built: Built, aids: Aids, tmp_path: Path, option: str
) -> None:
    gone = dataclasses.replace(aids, **{option: tmp_path / "gone.arpa"})  # type: ignore[arg-type]
    with pytest.raises(RepositoryError, match=rf"{tmp_path}/gone\.arpa is no file"):
        populate(built, "demo", tmp_path / "repo", Deployment(aids=gone))
    assert not (tmp_path / "repo").exists()


def test_parameters_of_a_beam_are_only_where_there_is_one(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, PLAIN)
    text = (tmp_path / "demo" / config.FILE_NAME).read_text()
    assert all(f'key: "{name}"' in text for name in config.BEAM_ONLY)
    without = dataclasses.replace(built.spec, head="cif")
    populate(dataclasses.replace(built, spec=without), "demo", tmp_path, PLAIN)
    text = (tmp_path / "demo" / config.FILE_NAME).read_text()
    assert not any(f'key: "{name}"' in text for name in config.BEAM_ONLY)


def test_an_edited_configuration_is_kept_beside_the_same_files(
    built: Built, aids: Aids, tmp_path: Path
) -> None:
    helped, path = Deployment(aids=aids), tmp_path / "repo" / "demo" / config.FILE_NAME
    populate(built, "demo", tmp_path / "repo", helped)
    path.write_text(path.read_text().replace("size: 256", "size: 9"))
    assert populate(built, "demo", tmp_path / "repo", helped).kept == (path,)
    assert "max_queue_size: 9" in path.read_text()
    assert (tmp_path / "repo" / "demo" / "1" / "lm.arpa.gz").is_file()


@pytest.mark.parametrize("had_files", [False, True])
def test_an_edited_configuration_that_names_other_files_is_refused(
    built: Built, aids: Aids, tmp_path: Path, *, had_files: bool
) -> None:
    path = tmp_path / "repo" / "demo" / config.FILE_NAME
    first, second = (Deployment(aids=aids), PLAIN) if had_files else (PLAIN, Deployment(aids=aids))
    populate(built, "demo", tmp_path / "repo", first)
    path.write_text(path.read_text().replace("max_queue_size: 256", "max_queue_size: 9"))
    with pytest.raises(RepositoryError) as raised:
        populate(built, "demo", tmp_path / "repo", second)
    assert str(raised.value) == (
        f"{path} was edited and has lm {first.aids.names.get('lm', '')!r}, but this build writes "
        f"{second.aids.names.get('lm', '')!r}; give the file with --lm, name it there, or give "
        "the edits up with --force"
    )
