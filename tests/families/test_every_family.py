"""What every family must hold to, on a small checkpoint in each form that its users have."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import onnx
import pytest

from auricle import spec
from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import list_files
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.export.surgery import prefix_names, reads
from auricle.build.families import Built, Family, Options
from auricle.build.repository.populate import Deployment, populate
from auricle.errors import CheckpointError, ParityError, RepositoryError, UnknownFamilyError
from auricle.spec import BEAM_SEARCHES
from tests.families.checkpoints import BEAMS, OFFLINE, STREAMING, WRITERS

pytestmark = pytest.mark.onnx

SCRIPTS = Path(__file__).parents[2] / "scripts"
HEAD_GRAPHS = {
    "transducer": {"decoder", "encoder", "joiner"},
    "recurrent_transducer": {"encoder", "predictor"},
    "ctc": {"encoder"},
    "ctc_attention": {"encoder", "rescorer"},
    "cif": {"encoder"},
    "autoregressive": {"cross_attention", "decoder", "encoder"},
    "vad": {"vad"},
}
FIRST_INPUTS = {"vad": ["WINDOWS", "STATE"], "streams": ["CHUNK", "STATE"]}


def test_every_family_is_held_to_these_laws() -> None:
    assert {form.split("-")[0] for form in WRITERS} == set(families.names())


@pytest.mark.parametrize("known", families.names())
def test_a_family_answers_to_dashes_too(known: str) -> None:
    assert families.load(known.replace("_", "-")) is families.load(known)


@pytest.mark.parametrize("known", families.names())
def test_a_family_has_its_script(known: str) -> None:
    script = SCRIPTS / f"build_{known}.sh"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert len(lines) <= 20
    assert f'auricle" build {known.replace("_", "-")} ' in script.read_text()


@pytest.mark.parametrize("known", sorted({form.split("-")[0] for form in STREAMING}))
def test_a_family_of_streams_has_its_script(known: str) -> None:
    script = SCRIPTS / f"build_{known}_streaming.sh"
    assert os.access(script, os.X_OK)
    assert len(script.read_text().splitlines()) <= 20
    dashed = known.replace("_", "-")
    assert f'auricle" build {dashed} --streaming --name {dashed}-streaming ' in script.read_text()
    assert "model_repo_streaming" in script.read_text()


@pytest.mark.parametrize("known", families.names())
def test_a_family_names_its_published_checkpoints(known: str) -> None:
    family = families.load(known)
    sources = (family.source, family.streaming_source)
    for source in (each for each in sources if isinstance(each, HuggingFace)):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", source.repo_id)


def test_only_the_files_that_are_needed_are_chosen(family: Family, folder: Path) -> None:
    names = list_files(folder)
    beside = ["README.md", "test_wavs/0.wav", ".gitattributes", "example/zh.mp3", "model.pt"]
    assert sorted(family.choose([*names, *beside], Options())) == names


def test_the_spec_states_the_facts(name: str, built: Built) -> None:
    facts = built.spec
    assert facts.family == name
    assert facts.head in get_args(spec.Head)
    assert facts.sample_rate == 16000
    assert facts.seconds_per_frame in (0.02, 0.032, 0.04, 0.06, 0.08)
    assert facts.blank_id == (built.vocab_size - 1 if name.startswith("nemo") else 0)
    assert facts.max_seconds is None
    assert set(facts.graphs) == set(built.graphs)
    assert set(facts.graphs) - {"hotword_embedder"} == HEAD_GRAPHS[facts.head]
    assert ("hotword_embedder" in facts.graphs) == (facts.hotwords is not None)
    assert facts.tokens == "tokens.txt"
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in facts.source.sha256.values())


def test_every_beam_is_held_to_its_laws(form: str, built: Built) -> None:
    assert (built.spec.head in BEAM_SEARCHES) == (form in BEAMS) or form not in OFFLINE


def test_the_spec_survives_the_disk(built: Built, tmp_path: Path) -> None:
    built.spec.save(tmp_path)
    assert spec.load(tmp_path) == built.spec


def test_every_graph_loads_on_old_servers(built: Built) -> None:
    for model in built.graphs.values():
        assert model.ir_version <= 10
        assert all(entry.version <= 18 for entry in model.opset_import if not entry.domain)
        onnx.checker.check_model(model, full_check=True)


def test_every_node_of_a_graph_has_a_reader(built: Built) -> None:
    for model in built.graphs.values():
        outputs = {value.name for value in model.graph.output}
        read = {name for node in model.graph.node for name in reads(node)} | outputs
        assert not [node.name for node in model.graph.node if not read.intersection(node.output)]


def test_the_report_says_what_was_seen_and_how_close_it_is(built: Built) -> None:
    report = "\n".join(built.report)
    shape = r"\[\w+, (\w+, )?(80|128|560)\b|\[\w+, \w+\]"  # features, or samples
    words = ["input", "output", shape, "parity"]
    words += ["tokens", "batching", "frames"] * (built.spec.head != "vad")
    for word in words:
        assert re.search(word, report), word


def test_what_is_built_can_be_written(built: Built, tmp_path: Path) -> None:
    written = populate(built, "demo", tmp_path / "repo", Deployment())
    version = written.folders[0] / "1"
    for file_name in (*built.spec.graphs.values(), built.spec.tokens, "model.py"):
        assert (version / file_name).stat().st_size > 0


def test_another_family_s_model_is_not_replaced_unasked(built: Built, tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    (version := repository / "demo" / "1").mkdir(parents=True)
    replace(built.spec, family="another_family").save(version)
    with pytest.raises(RepositoryError, match="is a model of another-family, and this build is of"):
        populate(built, "demo", repository, Deployment())
    populate(built, "demo", repository, Deployment(force=True))
    assert spec.load(version) == built.spec


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_a_damaged_checkpoint_is_refused_by_name(damage: str, family: Family, folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-50] if damage == "truncated" else b"")
    with pytest.raises(CheckpointError, match=r"\.onnx"):
        family.build(Checkpoint(folder, str(folder)), Options())


def test_a_checkpoint_without_a_file_is_refused_by_name(family: Family, folder: Path) -> None:
    for name in list_files(folder):
        if name.endswith(".onnx"):
            continue
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(CheckpointError, match=rf"no .*{re.escape(name)}"):
            family.build(Checkpoint(folder, str(folder)), Options())
        (folder / name).write_bytes(content)


def test_another_families_checkpoint_is_refused(name: str, family: Family, tmp_path: Path) -> None:
    for other, write in WRITERS.items():
        if other.split("-")[0] != name:
            folder = write(tmp_path / other)
            with pytest.raises(CheckpointError):
                family.build(Checkpoint(folder, other), Options())


def test_an_unfaithful_graph_is_never_built(
    family: Family, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auricle.build.frontend.kaldi_fbank.LOG_PAD", 0.0)
    monkeypatch.setattr("auricle.build.frontend.kaldi_fbank.FLOOR", 1e9)
    monkeypatch.setattr("auricle.build.frontend.nemo_mel.LOG_GUARD", 1e9)
    monkeypatch.setattr("auricle.build.frontend.whisper_mel.FLOOR", 1e9)
    monkeypatch.setattr("auricle.build.frontend.raw.EPSILON", 1e9)
    monkeypatch.setattr("auricle.build.export.vad.TOLERANCE", 0)
    with pytest.raises(ParityError):
        family.build(Checkpoint(folder, str(folder)), Options())


def test_names_of_tensors_do_not_matter(form: str, family: Family, folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        prefix_names(model.graph, "my_")
        onnx.save(model, path)
    built = family.build(Checkpoint(folder, str(folder)), Options())
    (first, *_) = built.graphs.values()
    inputs = [value.name for value in first.graph.input][:2]
    kind = "streams" if built.spec.streaming else built.spec.head
    assert inputs == FIRST_INPUTS.get(kind, ["WAV", "WAV_LENS"])


def test_an_unknown_family_lists_the_known() -> None:
    with pytest.raises(UnknownFamilyError, match="unknown family 'zipfomer'; known: icefall-ctc, "):
        families.load("zipfomer")


def test_a_nested_folder_is_searched(family: Family, folder: Path) -> None:
    (folder / "exp").mkdir()
    for path in folder.glob("*.onnx"):
        shutil.move(path, folder / "exp" / path.name)
    built = family.build(Checkpoint(folder, str(folder)), Options())
    assert any(file_name.startswith("exp/") for file_name in built.spec.source.sha256)
