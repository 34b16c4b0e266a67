"""`auricle build --export` at the terminal: PyTorch in, a model of the repository out."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from auricle import errors, spec
from auricle.cli import create_app
from tests.build import fake_checkouts as fake
from tests.build import tiny

pytestmark = pytest.mark.onnx
WENET = Path(__file__).parents[2] / "assets" / "wenet-u2"


def build(*arguments: str | Path) -> Result:
    """Our own errors come through."""
    result = CliRunner().invoke(create_app(), ["build", *map(str, arguments)])
    if isinstance(result.exception, errors.AuricleError):
        raise result.exception
    return result


@pytest.fixture
def zipformer(tmp_path: Path) -> Path:
    return fake.make_icefall_checkpoint(tmp_path / "zipformer")


def test_weights_are_exported_and_built(
    zipformer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    icefall = fake.make_icefall(tmp_path / "icefall")
    result = build(
        "icefall-transducer", "--name", "a", "--repo", tmp_path, "--from", zipformer, "--export",
        "--checkout", icefall, "--python", sys.executable, "--", "--num-encoder-layers", "2,2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stderr == "loading WEIGHTS\n"
    assert fake.seen(icefall)["num_encoder_layers"] == "2,2"
    facts = spec.load(tmp_path / "a" / "1")
    assert facts.source.location == str(zipformer)
    assert sorted(facts.source.sha256) == [
        "decoder-epoch-30-avg-9.onnx", "encoder-epoch-30-avg-9.onnx",
        "joiner-epoch-30-avg-9.onnx", "tokens.txt",
    ]  # fmt: skip
    assert list(temporary.iterdir()) == []


def test_wenets_weights_are_exported_and_built(tmp_path: Path) -> None:
    checkout = fake.make_wenet(tmp_path / "wenet")
    for name in ("encoder.onnx", "decoder.onnx"):
        shutil.copy(WENET / name, checkout / "graphs" / name)
    train_yaml = (WENET / "train.yaml").read_text(encoding="utf-8")
    checkpoint = fake.make_wenet_checkpoint(tmp_path / "u2", train_yaml)
    shutil.copy(WENET / "units.txt", checkpoint / "units.txt")
    result = build(
        "wenet-u2", "--name", "a", "--repo", tmp_path, "--from", checkpoint, "--export",
        "--checkout", checkout, "--python", sys.executable,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert spec.load(tmp_path / "a" / "1").head == "ctc_attention"


@pytest.mark.parametrize("stray", [("--checkout", "."), ("--python", "python3"), ("--", "--fp16")])
def test_what_is_for_an_exporter_needs_one(tmp_path: Path, stray: tuple[str, str]) -> None:
    folder = tiny.write_ctc(tmp_path / "checkpoint")
    result = build("icefall-ctc", "--name", "a", "--repo", tmp_path, "--from", folder, *stray)
    assert result.exit_code == 2
    assert "add --export" in result.output
    assert not (tmp_path / "a").exists()


def test_a_family_without_published_graphs_says_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(errors.CheckpointError, match="--from, or add --export to fetch funasr/"):
        build("paraformer", "--name", "a", "--repo", tmp_path)


@pytest.mark.parametrize("options", [(), ("--export",)])
def test_a_family_of_which_nothing_is_published_asks_for_a_folder(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with pytest.raises(errors.CheckpointError, match=r"no published (graphs|weights) .* --from"):
        build("wenet-u2", "--name", "a", "--repo", tmp_path, *options)


def test_weights_alone_are_said_to_need_an_export(zipformer: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.CheckpointError, match="holds weights, but no graph: add --export"):
        build("icefall-transducer", "--name", "a", "--repo", tmp_path, "--from", zipformer)


def test_only_families_are_named_in_the_help() -> None:
    said = build("--help").output
    assert "icefall-ctc, icefall-transducer, nemo-ctc," in said
    assert "-facts" not in said
