"""Upstream's exporters as children: what they are given, what they say, how they fail."""

import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.files import list_files
from auricle.build.upstream import Exporter, Request
from auricle.build.upstream.icefall import Icefall
from auricle.build.upstream.process import run
from auricle.build.upstream.wenet import WeNet
from auricle.errors import CheckpointError, ExportError
from tests.build import fake_checkouts as fake

TRANSDUCER = Icefall("export-onnx.py", "export-onnx-streaming.py")
CTC = Icefall("export-onnx-ctc.py", "export-onnx-streaming-ctc.py")
Make = Callable[..., Request]


@pytest.fixture
def make_request(tmp_path: Path) -> Make:
    out = tmp_path / "out"
    out.mkdir()

    def make(
        folder: Path,
        checkout: Path | None,
        *arguments: str,
        python: str | None = sys.executable,
        lines: list[str] | None = None,
    ) -> Request:
        show = (lines if lines is not None else []).append
        return Request(Checkpoint(folder, "org/name", "1" * 40), out, show, checkout, python,
                       arguments)  # fmt: skip

    return make


@pytest.fixture
def wenet(tmp_path: Path) -> Path:
    return fake.make_wenet(tmp_path / "wenet")


@pytest.fixture
def u2(tmp_path: Path) -> Path:
    return fake.make_wenet_checkpoint(tmp_path / "u2")


@pytest.fixture
def icefall(tmp_path: Path) -> Path:
    return fake.make_icefall(tmp_path / "icefall")


@pytest.fixture
def zipformer(tmp_path: Path) -> Path:
    return fake.make_icefall_checkpoint(tmp_path / "zipformer")


def test_wenets_graphs_lie_beside_what_is_built_with_them(
    make_request: Make, wenet: Path, u2: Path
) -> None:
    checkpoint = WeNet().export(make_request(u2, wenet))
    assert list_files(checkpoint.folder) == [
        "decoder.onnx", "encoder.onnx", "global_cmvn", "train.yaml", "units.txt",
    ]  # fmt: skip


def test_an_export_is_said_to_come_from_its_checkpoint(
    make_request: Make, wenet: Path, u2: Path
) -> None:
    checkpoint = WeNet().export(make_request(u2, wenet))
    assert (checkpoint.location, checkpoint.revision) == ("org/name", "1" * 40)


def test_wenet_is_given_the_checkpoint_and_the_users_arguments(
    make_request: Make, wenet: Path, u2: Path
) -> None:
    WeNet().export(make_request(u2, wenet, "--ctc_weight", "0.3"))
    seen = fake.seen(wenet)
    assert seen["checkpoint"] == str(u2 / "final.pt")
    assert seen["cmvn_file"] == str(u2 / "global_cmvn")
    assert seen["ctc_weight"] == "0.3"


def test_wenet_of_today_reads_an_old_train_yaml(make_request: Make, wenet: Path, u2: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="train.yaml is read with pyyaml")
    (u2 / "train.yaml").write_text("cmvn_file: data/train/global_cmvn\nis_json_cmvn: true\n")
    WeNet().export(make_request(u2, wenet))
    settings = yaml.safe_load(fake.seen(wenet)["train.yaml"])
    assert settings["cmvn"] == "global_cmvn"
    assert settings["cmvn_conf"] == {"cmvn_file": str(u2 / "global_cmvn"), "is_json_cmvn": True}
    assert settings["cmvn_file"] == "data/train/global_cmvn"  # which old WeNet reads


def test_kaldis_statistics_are_not_called_json(make_request: Make, wenet: Path, u2: Path) -> None:
    (u2 / "global_cmvn").write_text(" [\n  1 2 3\n  1 2 0 ]\n")
    WeNet().export(make_request(u2, wenet))
    assert '"is_json_cmvn": false' in fake.seen(wenet)["train.yaml"]


def test_a_train_yaml_that_says_its_cmvn_is_left_alone(
    make_request: Make, wenet: Path, u2: Path
) -> None:
    text = "cmvn: global_cmvn\ncmvn_conf:\n  cmvn_file: x\n  is_json_cmvn: true\n"
    (u2 / "train.yaml").write_text(text)
    WeNet().export(make_request(u2, wenet))
    assert fake.seen(wenet)["train.yaml"] == text


def test_a_model_without_cmvn_is_exported_without(
    make_request: Make, wenet: Path, u2: Path
) -> None:
    (u2 / "global_cmvn").unlink()
    WeNet().export(make_request(u2, wenet))
    assert fake.seen(wenet)["cmvn_file"] is None


@pytest.mark.onnx
def test_a_call_of_torch_as_it_was_works_with_the_torch_of_today(
    make_request: Make, tmp_path: Path, u2: Path
) -> None:
    pytest.importorskip("torch", reason="an exporter needs torch: pip install 'auricle[train]'")
    wenet = fake.make_wenet(tmp_path / "wenet", fake.TRACED)
    (wenet / "torch.py").unlink()  # the stand-in
    folder = WeNet().export(make_request(u2, wenet)).folder
    graph = onnx.load(folder / "encoder.onnx").graph
    assert [dim.dim_param for dim in graph.input[0].type.tensor_type.shape.dim] == ["B", "T", ""]


def test_lines_are_shown_as_they_come(make_request: Make, wenet: Path, u2: Path) -> None:
    lines: list[str] = []
    WeNet().export(make_request(u2, wenet, lines=lines))
    assert lines == [f"loading {u2 / 'final.pt'} WEIGHTS"]


def test_icefall_finds_downloaded_weights_as_epoch_99(
    make_request: Make, icefall: Path, zipformer: Path
) -> None:
    lines: list[str] = []
    checkpoint = TRANSDUCER.export(make_request(zipformer, icefall, lines=lines))
    assert lines == ["loading WEIGHTS"]
    assert [name for name in list_files(checkpoint.folder) if not name.endswith(".pt")] == [
        "bpe.model", "decoder-epoch-30-avg-9.onnx", "encoder-epoch-30-avg-9.onnx",
        "joiner-epoch-30-avg-9.onnx", "tokens.txt",
    ]  # fmt: skip
    seen = fake.seen(icefall)
    assert (seen["avg"], seen["use_averaged_model"]) == ("1", "0")
    assert seen["tokens"].endswith("tokens.txt")


def test_the_users_dimensions_reach_icefall(
    make_request: Make, icefall: Path, zipformer: Path
) -> None:
    TRANSDUCER.export(make_request(zipformer, icefall, "--num-encoder-layers", "2,2,2,2,2,2"))
    assert fake.seen(icefall)["num_encoder_layers"] == "2,2,2,2,2,2"


def test_icefall_of_2023_is_given_the_bpe_model(
    make_request: Make, tmp_path: Path, zipformer: Path
) -> None:
    icefall = fake.make_icefall(tmp_path / "icefall", symbols="bpe-model")
    TRANSDUCER.export(make_request(zipformer, icefall))
    assert fake.seen(icefall)["bpe_model"].endswith("bpe.model")


def test_a_ctc_model_has_its_own_script(
    make_request: Make, tmp_path: Path, zipformer: Path
) -> None:
    icefall = fake.make_icefall(tmp_path / "icefall", "export-onnx-ctc.py")
    assert "model.onnx" in list_files(CTC.export(make_request(zipformer, icefall)).folder)


def test_a_recipe_of_icefall_can_be_named(
    make_request: Make, icefall: Path, zipformer: Path
) -> None:
    recipes = icefall / "egs" / "librispeech" / "ASR"
    (recipes / "zipformer").rename(recipes / "pruned_transducer_stateless5")
    TRANSDUCER.export(make_request(zipformer, recipes / "pruned_transducer_stateless5"))
    assert fake.seen(icefall)["epoch"] == "99"


def test_epochs_can_be_named(make_request: Make, icefall: Path, zipformer: Path) -> None:
    (zipformer / "exp" / "pretrained.pt").rename(zipformer / "exp" / "epoch-30.pt")
    TRANSDUCER.export(make_request(zipformer, icefall, "--epoch", "30", "--avg", "1"))
    assert fake.seen(icefall)["epoch"] == "30"


def test_several_epochs_must_be_chosen_from(
    make_request: Make, icefall: Path, zipformer: Path
) -> None:
    (zipformer / "exp" / "pretrained.pt").rename(zipformer / "exp" / "epoch-30.pt")
    with pytest.raises(ExportError, match=r"2 files of weights: .*epoch-30\.pt.*--epoch E"):
        TRANSDUCER.export(make_request(zipformer, icefall))


@pytest.mark.parametrize("exporter", [WeNet(), TRANSDUCER, CTC])
def test_a_checkout_must_be_named(make_request: Make, exporter: Exporter, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="name a checkout of it with --checkout"):
        exporter.export(make_request(tmp_path, None))


@pytest.mark.parametrize("exporter", [WeNet(), TRANSDUCER, CTC])
def test_a_wrong_checkout_is_refused(
    make_request: Make, exporter: Exporter, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=r"is no checkout of .* it has no .*\.py"):
        exporter.export(make_request(tmp_path, tmp_path))


def test_a_script_without_icefall_around_it_is_refused(
    make_request: Make, icefall: Path, zipformer: Path
) -> None:
    (icefall / "icefall" / "__init__.py").unlink()
    with pytest.raises(ExportError, match="is in no checkout of icefall"):
        TRANSDUCER.export(make_request(zipformer, icefall))


def test_our_own_python_is_not_taken(make_request: Make, wenet: Path, u2: Path) -> None:
    with pytest.raises(ExportError, match="name one with --python, or make the environment"):
        WeNet().export(make_request(u2, wenet, python=None))


def test_the_checkouts_own_environment_is_taken(make_request: Make, wenet: Path, u2: Path) -> None:
    (wenet / ".venv" / "bin").mkdir(parents=True)
    (wenet / ".venv" / "bin" / "python").symlink_to(sys.executable)
    WeNet().export(make_request(u2, wenet, python=None))
    assert fake.seen(wenet)["checkpoint"]


def test_a_python_that_is_not_there_is_refused(make_request: Make, wenet: Path, u2: Path) -> None:
    with pytest.raises(ExportError, match="--python 'pythn' is no program"):
        WeNet().export(make_request(u2, wenet, python="pythn"))


@pytest.mark.parametrize("name", ["final.pt", "train.yaml"])
def test_a_checkpoint_that_lacks_a_file_is_refused(
    make_request: Make, wenet: Path, u2: Path, name: str
) -> None:
    (u2 / name).unlink()
    with pytest.raises(CheckpointError, match=r"no (\*\.pt|train\.yaml) in the checkpoint"):
        WeNet().export(make_request(u2, wenet))


def test_weights_must_be_there(make_request: Make, icefall: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"no \.pt file in the checkpoint"):
        TRANSDUCER.export(make_request(tmp_path / "empty", icefall))


def test_a_failing_script_is_quoted(make_request: Make, tmp_path: Path, u2: Path) -> None:
    script = "for line in range(30): print('line', line)\nraise KeyError('is_json_cmvn')"
    wenet = fake.make_wenet(tmp_path / "wenet", script)
    with pytest.raises(ExportError) as caught:
        WeNet().export(make_request(u2, wenet))
    said = str(caught.value)
    assert said.startswith("WeNet's exporter ended with status 1. Its last lines:\n")
    assert said.endswith("    KeyError: 'is_json_cmvn'")
    assert "line 29" in said
    assert "line 2\n" not in said


def test_a_python_without_torch_is_one_sentence(make_request: Make, wenet: Path, u2: Path) -> None:
    (wenet / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    with pytest.raises(ExportError, match=r"python\S* has no 'torch'; install it there, or name"):
        WeNet().export(make_request(u2, wenet))


def test_an_export_of_nothing_is_refused(make_request: Make, tmp_path: Path, u2: Path) -> None:
    wenet = fake.make_wenet(tmp_path / "wenet", "print('done')")
    with pytest.raises(ExportError, match=r"ended well, but wrote no \.onnx file"):
        WeNet().export(make_request(u2, wenet))


def test_a_child_ends_with_its_parent() -> None:
    def show(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("sleeper", [sys.executable, "-c", "print(1); import time; time.sleep(600)"], show)


def test_steps_of_a_progress_bar_are_lines(make_request: Make) -> None:
    lines: list[str] = []
    run("bar", [sys.executable, "-c", r"print('1 %\r2 %\r3 %')"], lines.append)
    assert lines == ["1 %", "2 %", "3 %"]
