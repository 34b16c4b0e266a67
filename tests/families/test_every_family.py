"""What every family must hold to, on a tiny checkpoint in its own form."""

import os
import re
import shutil
from collections.abc import Callable
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
from auricle.build.export.served import batch_of
from auricle.build.export.session import Session
from auricle.build.export.surgery import prefix_names
from auricle.build.families import Built, Family, Options
from auricle.build.repository.populate import Deployment, populate
from auricle.errors import CheckpointError, ParityError, UnknownFamilyError
from tests.build import tiny

pytestmark = pytest.mark.onnx

SCRIPTS = Path(__file__).parents[2] / "scripts"
WRITERS: dict[str, Callable[[Path], Path]] = {
    "icefall_ctc": tiny.write_ctc,
    "icefall_transducer": tiny.write_transducer,
}
HEAD_OUTPUTS = {
    "transducer": ["ENCODER_OUT", "OUT_LENS"],
    "ctc": ["TOPK_LOG_PROBS", "TOPK_IDS", "BLANK_LOG_PROBS", "OUT_LENS"],
}
HEAD_GRAPHS = {"transducer": ["decoder", "encoder", "joiner"], "ctc": ["encoder"]}


@pytest.fixture(params=families.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def family(name: str) -> Family:
    return families.load(name)


@pytest.fixture
def folder(name: str, tmp_path: Path) -> Path:
    return WRITERS[name](tmp_path / "checkpoint")


@pytest.fixture
def built(family: Family, folder: Path) -> Built:
    return family.build(Checkpoint(folder, str(folder)), Options())


def noise(num_samples: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(num_samples).normal(0, 0.1, num_samples).astype(np.float32)


def test_a_family_answers_to_dashes_too(name: str, family: Family) -> None:
    assert families.load(name.replace("_", "-")) is family


def test_a_family_has_its_script(name: str) -> None:
    script = SCRIPTS / f"build_{name}.sh"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert len(lines) <= 20
    assert f'auricle" build {name.replace("_", "-")} ' in script.read_text()


def test_a_family_names_its_published_checkpoint(family: Family) -> None:
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", family.source.repo_id)


def test_only_the_files_that_are_needed_are_chosen(family: Family, folder: Path) -> None:
    names = list_files(folder)
    chosen = family.choose([*names, "README.md", "test_wavs/0.wav", ".gitattributes"], Options())
    assert sorted(chosen) == names


def test_the_spec_states_the_facts(name: str, built: Built) -> None:
    facts = built.spec
    assert facts.family == name
    assert facts.head in get_args(spec.Head)
    assert facts.sample_rate == 16000
    assert facts.seconds_per_frame == 0.04
    assert facts.token_kind == "bpe"
    assert (facts.blank_id, facts.unk_id) == (0, 2)
    assert facts.max_seconds is None
    assert sorted(facts.graphs) == sorted(built.graphs) == HEAD_GRAPHS[facts.head]
    assert facts.tokens == "tokens.txt"
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in facts.source.sha256.values())


def test_the_spec_survives_the_disk(built: Built, tmp_path: Path) -> None:
    built.spec.save(tmp_path)
    assert spec.load(tmp_path) == built.spec


def test_the_encoder_has_the_outputs_of_its_head(built: Built) -> None:
    graph = built.graphs["encoder"].graph
    assert [value.name for value in graph.input] == ["WAV", "WAV_LENS"]
    assert [value.name for value in graph.output] == HEAD_OUTPUTS[built.spec.head]


def test_every_graph_loads_on_old_servers(built: Built) -> None:
    for model in built.graphs.values():
        assert model.ir_version <= 10
        assert all(entry.version <= 18 for entry in model.opset_import if not entry.domain)
        onnx.checker.check_model(model, full_check=True)


def test_a_batch_equals_its_singles_bit_for_bit(built: Built) -> None:
    encoder = Session(built.graphs["encoder"])
    rows = [noise(n) for n in (16_000, 80, 7_777, 30_001, 1)]
    batch = encoder.run(batch_of(rows))
    for index, row in enumerate(rows):
        single = encoder.run(batch_of([row]))
        num_frames = single["OUT_LENS"][0]
        for output, values in single.items():
            valid = slice(num_frames if values.ndim > 1 else None)
            np.testing.assert_array_equal(
                np.atleast_1d(batch[output][index])[valid], np.atleast_1d(values[0])[valid]
            )


def test_samples_beyond_the_length_change_nothing(built: Built) -> None:
    encoder = Session(built.graphs["encoder"])
    row = noise(9_000)
    clean = encoder.run(batch_of([row]))
    filler = np.full(5_000, np.nan, np.float32)
    dirty = encoder.run(
        {"WAV": np.concatenate([row, filler])[None], "WAV_LENS": np.array([len(row)], np.int32)}
    )
    for output, values in clean.items():
        np.testing.assert_array_equal(dirty[output], values)


def test_the_report_says_what_was_seen_and_how_close_it_is(built: Built) -> None:
    report = "\n".join(built.report)
    for word in ("x float [N, T, 80]", "model_type=", "tokens", "parity", "batching", "frames"):
        assert word in report


def test_what_is_built_can_be_written(built: Built, tmp_path: Path) -> None:
    written = populate(built, "demo", tmp_path / "repo", Deployment())
    version = written.folders[0] / "1"
    for file_name in (*built.spec.graphs.values(), built.spec.tokens, "model.py"):
        assert (version / file_name).stat().st_size > 0


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_a_damaged_checkpoint_is_refused_by_name(damage: str, family: Family, folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-50] if damage == "truncated" else b"")
    with pytest.raises(CheckpointError, match=r"\.onnx"):
        family.build(Checkpoint(folder, str(folder)), Options())


def test_a_checkpoint_without_tokens_is_refused(family: Family, folder: Path) -> None:
    (folder / "tokens.txt").unlink()
    with pytest.raises(CheckpointError, match=r"no tokens\.txt"):
        family.build(Checkpoint(folder, str(folder)), Options())


def test_another_families_checkpoint_is_refused(name: str, family: Family, tmp_path: Path) -> None:
    for other, write in WRITERS.items():
        if other != name:
            folder = write(tmp_path / other)
            with pytest.raises(CheckpointError):
                family.build(Checkpoint(folder, other), Options())


def test_an_unfaithful_graph_is_never_built(
    family: Family, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auricle.build.frontend.kaldi_fbank.LOG_PAD", 0.0)
    monkeypatch.setattr("auricle.build.frontend.kaldi_fbank.FLOOR", 1.0)
    with pytest.raises(ParityError):
        family.build(Checkpoint(folder, str(folder)), Options())


def test_names_of_tensors_do_not_matter(family: Family, folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        prefix_names(model.graph, "my_")
        onnx.save(model, path)
    built = family.build(Checkpoint(folder, str(folder)), Options())
    assert [value.name for value in built.graphs["encoder"].graph.input] == ["WAV", "WAV_LENS"]


def test_an_unknown_family_lists_the_known() -> None:
    with pytest.raises(UnknownFamilyError, match="unknown family 'zipfomer'; known: icefall_ctc, "):
        families.load("zipfomer")


def test_a_nested_folder_is_searched(family: Family, folder: Path) -> None:
    (folder / "exp").mkdir()
    for path in folder.glob("*.onnx"):
        shutil.move(path, folder / "exp" / path.name)
    built = family.build(Checkpoint(folder, str(folder)), Options())
    assert any(file_name.startswith("exp/") for file_name in built.spec.source.sha256)
