"""auricle score, as a person or a script calls it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from auricle import cli
from auricle.client.reports import write_icefall
from auricle.client.scoring import score


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.create_app(), ["score", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ref").write_text("a THE CAT SAT\nb ON\n")
    (tmp_path / "hyp").write_text("a the cat sat\nb ON A\nc MAT\n")
    return tmp_path


def test_two_files_are_scored(folder: Path) -> None:
    result = run(folder / "ref", folder / "hyp", "--normalize")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "text as it is, in words:\n%WER 100.00 [ 4 / 4, 1 ins, 0 del, 3 sub ]\n"
    )
    assert "text in lower case without punctuation:\n%WER 25.00 [ 1 / 4, 1 ins" in result.stdout
    assert result.stderr == "1 hypotheses without a reference, left out, such as 'c'\n"


@pytest.mark.parametrize("name", ["words.txt", "words.yaml"])
def test_hotwords_are_counted(folder: Path, name: str) -> None:
    (folder / name).write_text("the cat: 10\nmat: 1\n" if "yaml" in name else "THE CAT :2\nMAT\n")
    result = run(folder / "ref", folder / "hyp", "--hotwords", folder / name)
    table = result.stdout.split("hotwords: ")[1]
    assert table.startswith("precision 100.00 [ 1 / 1 ], recall 100.00 [ 1 / 1 ], F1 100.00\n")
    assert table.lower().endswith("  the cat\n")


def test_recogs_hold_both_sides(folder: Path) -> None:
    references, hypotheses = {"a": "IT'S 'ONE'", "b": "我们"}, {"a": "IT'S TWO"}
    write_icefall(folder, "demo", score(references, hypotheses, "mixed"))
    result = run(folder / "recogs-demo.txt")
    assert result.exit_code == 0
    assert "%CER 75.00 [ 3 / 4, 0 ins, 2 del, 1 sub ]" in result.stdout


@pytest.mark.parametrize(
    "line", ["a THE CAT", "a:\tref=[1]", "a:\tref=[x]", "a:\tref=['x'", "a:\thop=['x']"]
)
def test_what_is_no_recogs_is_told_with_its_line(
    folder: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "recogs").write_text(f"\na:\tref=[]\n{line}\n")
    monkeypatch.setattr("sys.argv", ["auricle", "score", str(folder / "recogs")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == cli.EXIT_USAGE
    assert "recogs, line 3: " in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\xff", None])
def test_no_references_are_told(folder: Path, content: bytes | None) -> None:
    if content is not None:
        (folder / "empty").write_bytes(content)
    result = run(folder / "empty")
    assert type(result.exception).__name__ == "ManifestError"


def test_a_limit_decides_the_exit_code(folder: Path) -> None:
    within = run(folder / "ref", folder / "hyp", "--normalize", "--max-wer", 25)
    above = run(folder / "ref", folder / "hyp", "--normalize", "--max-wer", 24)
    assert (within.exit_code, above.exit_code) == (0, cli.EXIT_FAILED)
    assert above.stderr.endswith("auricle: 25.00 % is above the limit of 24 %\n")
