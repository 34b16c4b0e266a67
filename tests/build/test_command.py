"""`auricle build` at the terminal."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from auricle import cli, errors
from auricle.build import families
from auricle.cli import create_app
from tests.build import tiny, tiny_streaming

pytestmark = pytest.mark.onnx


def build(*arguments: str | Path) -> str:
    """What was printed; our own errors come through."""
    result = CliRunner().invoke(create_app(), ["build", *map(str, arguments)])
    if isinstance(result.exception, errors.AuricleError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny.write_transducer(tmp_path / "checkpoint")


def test_the_report_is_short_and_says_where_it_wrote(checkpoint: Path, tmp_path: Path) -> None:
    out = build("icefall-transducer", "--from", checkpoint, "--name", "a", "--repo", tmp_path)
    assert "parity    " in out
    assert out.splitlines()[-1] == f"written   {tmp_path / 'a'}"
    assert len(out.splitlines()) < 40


def test_both_models_of_bls_are_named(checkpoint: Path, tmp_path: Path) -> None:
    out = build(
        "icefall_transducer", "--from", checkpoint, "--name", "a", "--repo", tmp_path,
        "--runner", "bls", "--instances", "2",
    )  # fmt: skip
    assert f"written   {tmp_path / 'a__encoder'}" in out


def test_a_kept_configuration_is_said(checkpoint: Path, tmp_path: Path) -> None:
    arguments = ("icefall-transducer", "--from", checkpoint, "--name", "a", "--repo", tmp_path)
    build(*arguments)
    path = tmp_path / "a" / "config.pbtxt"
    path.write_text(path.read_text().replace("max_batch_size: 64", "max_batch_size: 8"))
    assert f"kept      {path}, which was edited" in build(*arguments)
    assert "kept      " not in build(*arguments, "--force")


def test_a_stream_is_written_as_one(tmp_path: Path) -> None:
    folder = tiny_streaming.write_transducer(tmp_path / "checkpoint")
    out = build("icefall-transducer", "--from", folder, "--name", "live", "--repo", tmp_path)
    assert "batch axis" in out
    assert (
        "from auricle.serve.backend.streaming import"
        in (tmp_path / "live" / "1" / "model.py").read_text()
    )


def test_streams_are_not_made_of_whole_utterances(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.CheckpointError, match="takes whole utterances"):
        build("icefall-transducer", "--streaming", "--from", checkpoint, "--name", "a", "--repo",
              tmp_path)  # fmt: skip
    assert not (tmp_path / "a").exists()


def test_a_bad_name_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(errors.RepositoryError):
        build("icefall-ctc", "--from", tmp_path / "absent", "--name", "a__b", "--repo", tmp_path)


def test_an_unknown_family_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["auricle", "build", "kaldi", "--name", "a", "--repo", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == cli.EXIT_USAGE
    assert capsys.readouterr().err.startswith("auricle: unknown family 'kaldi'; known: ")


@pytest.mark.parametrize(
    "arguments", [("--precision", "fp8"), ("--runner", "tensorrt"), ("--instances", "0")]
)
def test_an_unknown_choice_is_a_usage_error(arguments: tuple[str, str], tmp_path: Path) -> None:
    result = CliRunner().invoke(
        create_app(),
        ["build", "icefall-ctc", "--name", "a", "--repo", str(tmp_path), *arguments],
    )
    assert result.exit_code == 2


def test_the_help_names_every_family() -> None:
    text = "".join(build("--help").split())  # lines break where they may
    assert ",".join(name.replace("_", "-") for name in families.names()) in text


@pytest.mark.parametrize("repo", ["s3://bucket/models", "gs://bucket"])
def test_a_bucket_is_no_folder(repo: str, checkpoint: Path) -> None:
    arguments = ["build", "icefall-ctc", "--from", str(checkpoint), "--name", "a", "--repo", repo]
    result = CliRunner().invoke(create_app(), arguments)
    assert result.exit_code == 2
    assert "auricle repo push" in result.stderr


def test_a_file_is_no_checkpoint_folder(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.CheckpointError, match=r"tokens\.txt is a file; name the folder"):
        build("icefall-ctc", "--from", checkpoint / "tokens.txt", "--name", "a", "--repo", tmp_path)


def test_a_place_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.RepositoryError, match=r"cannot write to .*file, where"):
        build("icefall-ctc", "--from", tmp_path / "absent", "--name", "a",
              "--repo", tmp_path / "file")  # fmt: skip


def test_a_detector_is_built_beside_a_model(checkpoint: Path, tmp_path: Path) -> None:
    out = build("icefall-transducer", "--from", checkpoint, "--name", "a", "--repo", tmp_path,
                "--vad", "auto")  # fmt: skip
    assert "parity    of the detector to the original" in out
    assert (tmp_path / "a" / "1" / "vad.onnx").is_file()


def test_a_detector_that_is_not_there_is_said_first(tmp_path: Path) -> None:
    with pytest.raises(errors.CheckpointError, match=r"no file .*nowhere\.onnx"):
        build("icefall-transducer", "--from", tmp_path / "none", "--name", "a",
              "--repo", tmp_path, "--vad", tmp_path / "nowhere.onnx")  # fmt: skip


def test_the_installed_detector_is_built_without_a_folder(tmp_path: Path) -> None:
    out = build("silero-vad", "--name", "vad", "--repo", tmp_path)
    assert out.splitlines()[-1] == f"written   {tmp_path / 'vad'}"


def test_files_for_the_search_are_taken_with_the_checkpoint_s_sentencepiece(
    checkpoint: Path, tmp_path: Path
) -> None:
    (checkpoint / "data" / "lang_bpe_500").mkdir(parents=True)
    for path in (checkpoint / "data" / "lang_bpe_500" / "bpe.model", tmp_path / "words.arpa"):
        path.write_text("anything")
    (tmp_path / "hotwords.txt").write_text("TOKYO :2.0\n")
    build(
        "icefall-transducer", "--from", checkpoint, "--name", "a", "--repo", tmp_path / "repo",
        "--lm", tmp_path / "words.arpa", "--lm-units", "words", "--hotwords",
        tmp_path / "hotwords.txt",
    )  # fmt: skip
    names = {path.name for path in (tmp_path / "repo" / "a" / "1").iterdir()}
    assert names >= {"lm.arpa", "hotwords.txt", "bpe.model"}
    text = (tmp_path / "repo" / "a" / "config.pbtxt").read_text()
    assert all(f'string_value: "{each}"' in text for each in ("lm.arpa", "words", "hotwords.txt"))
