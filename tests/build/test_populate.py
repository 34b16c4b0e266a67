"""The written repository: whole or absent, and an operator's edits survive."""

import dataclasses
import json
from pathlib import Path

import onnx
import pytest

from auricle import spec
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Built, Options, load
from auricle.build.repository import config
from auricle.build.repository.populate import Deployment, check_name, choose, populate
from auricle.errors import RepositoryError
from auricle.spec import Prompt, Rescorer, parse_choices
from tests.build import tiny

pytestmark = pytest.mark.onnx

IN_PROCESS, BLS = Deployment(), Deployment(runner="bls")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tiny.write_transducer(tmp_path_factory.mktemp("checkpoint"))
    return load("icefall-transducer").build(Checkpoint(folder, "tiny"), Options())


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def edit(repository: Path, old: str, new: str) -> str:
    path = repository / "demo" / "config.pbtxt"
    text = path.read_text().replace(old, new)
    path.write_text(text)
    return text


def test_a_pipeline_holds_all_its_graphs(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    assert files(tmp_path) == [
        "demo/1/decoder.onnx",
        "demo/1/encoder.onnx",
        "demo/1/joiner.onnx",
        "demo/1/model.py",
        "demo/1/pipeline.json",
        "demo/1/tokens.txt",
        "demo/config.pbtxt",
    ]


def test_an_encoder_behind_bls_is_a_model_of_its_own(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, BLS)
    assert files(tmp_path) == [
        "demo/1/decoder.onnx",
        "demo/1/joiner.onnx",
        "demo/1/model.py",
        "demo/1/pipeline.json",
        "demo/1/tokens.txt",
        "demo/config.pbtxt",
        "demo__encoder/1/model.onnx",
        "demo__encoder/config.pbtxt",
        "demo__encoder/warmup/16000",
        "demo__encoder/warmup/240000",
        "demo__encoder/warmup/80000",
    ]
    assert (tmp_path / "demo__encoder" / "warmup" / "16000").read_bytes() == b"\x80\x3e\0\0"


def test_an_encoder_is_never_in_both_places(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, BLS)
    populate(built, "demo", tmp_path, IN_PROCESS)
    assert (tmp_path / "demo" / "1" / "encoder.onnx").is_file()
    assert not (tmp_path / "demo__encoder").exists()


def test_the_facts_are_those_of_the_checkpoint(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    facts = spec.load(tmp_path / "demo" / "1")
    assert facts == built.spec
    assert (facts.head, facts.context_size, facts.seconds_per_frame) == ("transducer", 2, 0.04)
    assert facts.source.location == "tiny"
    assert len(facts.source.sha256) == 4


def test_every_written_graph_loads_on_old_servers(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    for path in (tmp_path / "demo" / "1").glob("*.onnx"):
        model = onnx.load(path)
        assert model.ir_version <= 10
        assert all(entry.version <= 18 for entry in model.opset_import)


def test_configurations_parse_and_carry_the_choices(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, dataclasses.replace(BLS, instances=3))
    for model in ("demo", "demo__encoder"):
        value = config.parse((tmp_path / model / "config.pbtxt").read_text())
        assert value.name == model
        assert value.instance_group[0].count == 3
    parameters = config.parse((tmp_path / "demo" / "config.pbtxt").read_text()).parameters
    choices = parse_choices({key: value.string_value for key, value in parameters.items()})
    assert choices.runner == "bls"


def test_a_rebuild_keeps_an_edited_configuration(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    text = edit(tmp_path, "max_queue_size: 256", "max_queue_size: 9")
    written = populate(built, "demo", tmp_path, IN_PROCESS)
    assert written.kept == (tmp_path / "demo" / "config.pbtxt",)
    assert written.kept[0].read_text() == text


def test_force_gives_the_edits_up(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    edit(tmp_path, "max_queue_size: 256", "max_queue_size: 9")
    written = populate(built, "demo", tmp_path, Deployment(force=True))
    assert written.kept == ()
    assert "max_queue_size: 256" in (tmp_path / "demo" / "config.pbtxt").read_text()


def test_an_unedited_configuration_follows_the_build(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, Deployment(instances=2))
    written = populate(built, "demo", tmp_path, Deployment(instances=5))
    assert written.kept == ()
    assert "count: 5" in (tmp_path / "demo" / "config.pbtxt").read_text()


def test_an_edit_that_contradicts_the_build_is_refused(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    edit(tmp_path, '"onnxruntime"', '"bls"')
    before = files(tmp_path)
    with pytest.raises(RepositoryError, match=r"runner 'bls'.*--runner bls.*--force"):
        populate(built, "demo", tmp_path, IN_PROCESS)
    assert files(tmp_path) == before


def test_an_edit_that_asks_for_what_the_model_has_not_is_refused(
    built: Built, tmp_path: Path
) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    edit(tmp_path, '"greedy_search"', '"attention_rescoring"')
    with pytest.raises(RepositoryError, match=r"decoding is 'attention_rescoring'.*--force"):
        populate(built, "demo", tmp_path, IN_PROCESS)


@pytest.mark.parametrize("edited", ["nonsense", 'parameters { key: "beem" }'])
def test_an_edit_that_cannot_be_read_is_refused(built: Built, tmp_path: Path, edited: str) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    path = tmp_path / "demo" / "config.pbtxt"
    path.write_text(edited)
    with pytest.raises(RepositoryError, match=rf"{path}: .*; mend it, or .*--force"):
        populate(built, "demo", tmp_path, IN_PROCESS)
    populate(built, "demo", tmp_path, Deployment(force=True))
    assert path.read_text() != edited


def test_a_failure_leaves_the_old_model_in_place(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}

    def fail(self: Path, *args: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(spec.PipelineSpec, "save", fail)
        with pytest.raises(OSError, match="no space"):
            populate(built, "demo", tmp_path, BLS)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize("name", ["", "a b", "../a", "-a", ".a", "a/b", "ä"])
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(RepositoryError, match="does not fit"):
        check_name(name)


def test_a_reserved_name_is_refused() -> None:
    with pytest.raises(RepositoryError, match="marks the models behind another"):
        check_name("demo__encoder")


def test_what_somebody_else_wrote_is_left_alone(built: Built, tmp_path: Path) -> None:
    (tmp_path / "demo" / "1").mkdir(parents=True)
    with pytest.raises(RepositoryError, match="was not written by `auricle build`"):
        populate(built, "demo", tmp_path, IN_PROCESS)


@pytest.mark.parametrize(
    ("joiner_dim", "vocab_size", "lookahead"),
    [(128, 160, 8), (256, 1000, 8), (512, 500, 4), (256, 5000, 1), (512, 5000, 1)],
)
def test_the_lookahead_follows_the_size_of_the_joiner(
    built: Built, joiner_dim: int, vocab_size: int, lookahead: int
) -> None:
    sized = dataclasses.replace(built, joiner_dim=joiner_dim, vocab_size=vocab_size)
    assert choose(sized, IN_PROCESS).lookahead == lookahead


@pytest.mark.parametrize(
    ("head", "beam", "decoding"),
    [("ctc", None, "greedy_search"), ("ctc_attention", 7, "attention_rescoring")],
)
def test_a_build_chooses_the_first_decoding_of_the_head(
    built: Built, head: spec.Head, beam: int | None, decoding: str
) -> None:
    rescorer = Rescorer(beam, 2, 2, is_bidirectional=True) if beam else None
    facts = dataclasses.replace(built.spec, head=head, rescorer=rescorer)
    choices = choose(dataclasses.replace(built, spec=facts), IN_PROCESS)
    assert (choices.decoding, choices.beam) == (decoding, beam or 10)


def test_a_prompt_is_in_the_configuration_and_the_warm_up(built: Built, tmp_path: Path) -> None:
    prompt = Prompt({"auto": 0, "en": 4}, {"woitn": 15}, lead_frames=4)
    facts = dataclasses.replace(built.spec, prompt=prompt)
    encoder = onnx.ModelProto()
    encoder.CopyFrom(built.graphs["encoder"])
    for name in ("LANGUAGE", "TEXT_NORM"):
        value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT32, ["N"])
        encoder.graph.input.append(value)
    graphs = built.graphs | {"encoder": encoder}
    populate(dataclasses.replace(built, spec=facts, graphs=graphs), "demo", tmp_path, BLS)
    pipeline, served = (
        config.parse((tmp_path / model / "config.pbtxt").read_text())
        for model in ("demo", "demo__encoder")
    )
    assert [tensor.name for tensor in pipeline.input][2:] == ["LANGUAGE", "TEXT_NORM"]
    named = {
        value.input_data_file
        for warm_up in served.model_warmup
        for value in warm_up.inputs.values()
    } - {""}
    assert named == {"0", "15", "16000", "80000", "240000"}
    for name in named:
        number = (tmp_path / "demo__encoder" / "warmup" / name).read_bytes()
        assert int.from_bytes(number, "little") == int(name)


@pytest.mark.parametrize(("max_seconds", "limit"), [(None, 60.0), (39.76, 39.76), (100.0, 60.0)])
def test_requests_are_no_longer_than_the_graph_takes(
    built: Built, max_seconds: float | None, limit: float
) -> None:
    facts = dataclasses.replace(built.spec, max_seconds=max_seconds)
    capped = dataclasses.replace(built, spec=facts)
    assert choose(capped, IN_PROCESS).max_audio_seconds == limit


def test_pipeline_json_is_readable_by_people(built: Built, tmp_path: Path) -> None:
    populate(built, "demo", tmp_path, IN_PROCESS)
    text = (tmp_path / "demo" / "1" / "pipeline.json").read_text(encoding="utf-8")
    assert json.loads(text)["graphs"] == {role: f"{role}.onnx" for role in built.graphs}
    assert len(text.splitlines()) > 10


def test_even_one_core_gets_two_instances(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    (folder,) = populate(built, "demo", tmp_path, Deployment()).folders
    model = config.parse((folder / "config.pbtxt").read_text())
    assert [group.count for group in model.instance_group] == [2]
