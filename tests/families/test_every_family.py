"""What every family must hold to, on a small checkpoint in each form that its users have."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from auricle import spec
from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import list_files
from auricle.build.export.embedder import embed
from auricle.build.export.served import batch_of, repeat
from auricle.build.export.session import Array, Session
from auricle.build.export.surgery import prefix_names, reads
from auricle.build.families import Built, Family, Options
from auricle.build.repository.populate import Deployment, populate
from auricle.errors import CheckpointError, ParityError, RepositoryError, UnknownFamilyError
from tests.families.checkpoints import WRITERS

pytestmark = pytest.mark.onnx

SCRIPTS = Path(__file__).parents[2] / "scripts"
HEAD_OUTPUTS = {
    "transducer": ["ENCODER_OUT", "OUT_LENS"],
    "ctc": ["TOPK_LOG_PROBS", "TOPK_IDS", "BLANK_LOG_PROBS", "OUT_LENS"],
    "ctc_attention": [
        "TOPK_LOG_PROBS", "TOPK_IDS", "BLANK_LOG_PROBS", "ENCODER_OUT", "OUT_LENS",
    ],
    "cif": ["TOKEN_IDS", "TOKEN_LOG_PROBS", "NUM_TOKENS", "OUT_LENS"],
}  # fmt: skip
HEAD_GRAPHS = {
    "transducer": {"decoder", "encoder", "joiner"},
    "ctc": {"encoder"},
    "ctc_attention": {"encoder", "rescorer"},
    "cif": {"encoder"},
}


@pytest.fixture(scope="module", params=WRITERS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def name(form: str) -> str:
    return form.split("-", maxsplit=1)[0]


@pytest.fixture(scope="module")
def family(name: str) -> Family:
    return families.load(name)


@pytest.fixture
def folder(form: str, tmp_path: Path) -> Path:
    return WRITERS[form](tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def built(form: str, family: Family, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = WRITERS[form](tmp_path_factory.mktemp(form) / "checkpoint")
    return family.build(Checkpoint(folder, str(folder)), Options())


@pytest.fixture(scope="module")
def encoder(built: Built) -> Session:
    return Session(built.graphs["encoder"])


def noise(num_samples: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)


def inputs_of(built: Built, rows: list[npt.NDArray[np.float32]]) -> dict[str, Array]:
    """A batch, with what a caller who asks for nothing gives the encoder beside it."""
    beside: dict[str, Array] = {}
    if built.spec.prompt:
        beside["LANGUAGE"] = np.zeros(1, np.int32)
        beside["TEXT_NORM"] = np.full(1, 15, np.int32)
    if built.spec.hotwords:
        nothing = [[built.spec.hotwords.last_id]]
        beside["BIAS_EMBED"] = embed(built.graphs["hotword_embedder"], nothing)
    return batch_of(rows) | {key: repeat(row, len(rows)) for key, row in beside.items()}


def valid_steps(output: str, single: dict[str, Array]) -> int:
    if output == "CIF_PEAKS":
        return 3 * int(single["OUT_LENS"][0])
    return int(single["NUM_TOKENS" if output.startswith("TOKEN_") else "OUT_LENS"][0])


def assert_rows_equal(batch: dict[str, Array], index: int, single: dict[str, Array]) -> None:
    """Bit for bit; only the sum that scales the peaks depends on the width of the batch."""
    for output, values in single.items():
        valid = slice(valid_steps(output, single) if values.ndim > 1 else None)
        tolerance = 1e-4 if output == "CIF_PEAKS" else 0
        np.testing.assert_allclose(
            np.atleast_1d(batch[output][index])[valid], np.atleast_1d(values[0])[valid],
            rtol=0, atol=tolerance, err_msg=output,
        )  # fmt: skip


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


@pytest.mark.parametrize("known", families.names())
def test_a_family_names_its_published_checkpoint(known: str) -> None:
    source = families.load(known).source
    assert source is None or re.fullmatch(r"[\w.-]+/[\w.-]+", source.repo_id)


def test_only_the_files_that_are_needed_are_chosen(family: Family, folder: Path) -> None:
    names = list_files(folder)
    beside = ["README.md", "test_wavs/0.wav", ".gitattributes", "example/zh.mp3", "model.pt"]
    assert sorted(family.choose([*names, *beside], Options())) == names


def test_the_spec_states_the_facts(name: str, built: Built) -> None:
    facts = built.spec
    assert facts.family == name
    assert facts.head in get_args(spec.Head)
    assert facts.sample_rate == 16000
    assert facts.seconds_per_frame in (0.04, 0.06)
    assert facts.blank_id == 0
    assert facts.max_seconds is None
    assert set(facts.graphs) == set(built.graphs)
    assert set(facts.graphs) - {"hotword_embedder"} == HEAD_GRAPHS[facts.head]
    assert ("hotword_embedder" in facts.graphs) == (facts.hotwords is not None)
    assert facts.tokens == "tokens.txt"
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in facts.source.sha256.values())


def test_the_spec_survives_the_disk(built: Built, tmp_path: Path) -> None:
    built.spec.save(tmp_path)
    assert spec.load(tmp_path) == built.spec


def test_the_encoder_has_the_ports_of_its_head(built: Built) -> None:
    graph, facts = built.graphs["encoder"].graph, built.spec
    asked = ["LANGUAGE", "TEXT_NORM"] if facts.prompt else ["BIAS_EMBED"] if facts.hotwords else []
    assert [value.name for value in graph.input] == ["WAV", "WAV_LENS", *asked]
    outputs = [value.name for value in graph.output]
    assert [name for name in outputs if name != "CIF_PEAKS"] == HEAD_OUTPUTS[facts.head]
    assert ("CIF_PEAKS" in outputs) == facts.has_timestamps


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


def test_a_batch_equals_its_singles(built: Built, encoder: Session) -> None:
    rows = [noise(n) for n in (16_000, 80, 7_777, 30_001, 1)]
    batch = encoder.run(inputs_of(built, rows))
    for index, row in enumerate(rows):
        assert_rows_equal(batch, index, encoder.run(inputs_of(built, [row])))


def test_samples_beyond_the_length_change_nothing(built: Built, encoder: Session) -> None:
    row = noise(9_000)
    clean = encoder.run(inputs_of(built, [row]))
    filler = np.full(5_000, np.nan, np.float32)
    longer = {"WAV": np.concatenate([row, filler])[None]}
    assert_rows_equal(encoder.run(inputs_of(built, [row]) | longer), 0, clean)


@pytest.mark.parametrize("num_samples", [1, 399, 400, 1_000])
def test_the_shortest_audio_runs(num_samples: int, built: Built, encoder: Session) -> None:
    found = encoder.run(inputs_of(built, [noise(num_samples), np.zeros(num_samples, np.float32)]))
    assert all(np.isfinite(values).all() for values in found.values())


def test_the_report_says_what_was_seen_and_how_close_it_is(built: Built) -> None:
    report = "\n".join(built.report)
    for word in ("input", "output", "[N, T, 80]|[B, T, 80]|, 560]", "tokens", "parity", "batching",
                 "frames"):  # fmt: skip
        assert any(part in report for part in word.split("|")), word


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
    with pytest.raises(ParityError):
        family.build(Checkpoint(folder, str(folder)), Options())


def test_names_of_tensors_do_not_matter(form: str, family: Family, folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        prefix_names(model.graph, "my_")
        onnx.save(model, path)
    built = family.build(Checkpoint(folder, str(folder)), Options())
    assert [value.name for value in built.graphs["encoder"].graph.input][:2] == ["WAV", "WAV_LENS"]


def test_an_unknown_family_lists_the_known() -> None:
    with pytest.raises(UnknownFamilyError, match="unknown family 'zipfomer'; known: icefall-ctc, "):
        families.load("zipfomer")


def test_a_nested_folder_is_searched(family: Family, folder: Path) -> None:
    (folder / "exp").mkdir()
    for path in folder.glob("*.onnx"):
        shutil.move(path, folder / "exp" / path.name)
    built = family.build(Checkpoint(folder, str(folder)), Options())
    assert any(file_name.startswith("exp/") for file_name in built.spec.source.sha256)
