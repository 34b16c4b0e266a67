"""auricle score: transcripts that are already there, against what was said."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.cli import EXIT_FAILED
from auricle.cli.transcribe import options
from auricle.errors import ManifestError

if TYPE_CHECKING:
    from auricle.client.scoring import Score

Ref = Annotated[
    Path, typer.Argument(help="What was said: `<id> <text>` a line, or icefall's recogs-*.txt.")
]
Hyp = Annotated[
    Path | None, typer.Argument(help="What was heard: `<id> <text>` a line; recogs hold it.")
]
HotwordFile = Annotated[
    Path | None,
    typer.Option(
        "--hotwords",
        help="Count these, too: `PHRASE ONE :2.0` a line, or `word: score` of a .yaml.",
    ),
]


def run(
    ref: Ref,
    hyp: Hyp = None,
    hotwords: HotwordFile = None,
    compute_cer: options.ComputeCer = None,
    normalize: options.Normalize = False,
    max_wer: options.MaxWer = None,
) -> None:
    """Score transcripts against references: error rates as Kaldi's, hotwords as WeNet's."""
    from auricle.client import reports
    from auricle.client.hotword_scoring import score_hotwords
    from auricle.hotword_files import read_hotwords

    phrases = [each.phrase for each in read_hotwords(hotwords)] if hotwords else []
    references, hypotheses = read_texts(ref, hyp)
    score = None
    for heading, score in scores(references, hypotheses, compute_cer, normalize=normalize):
        typer.echo(f"{heading}\n{reports.kaldi_lines(score)}")
    if hotwords:
        typer.echo(reports.hotword_lines(score_hotwords(references, hypotheses, phrases)))
    if score and max_wer is not None and score.error_rate > max_wer:
        typer.echo(
            f"auricle: {score.error_rate:.2f} % is above the limit of {max_wer:g} %", err=True
        )
        raise typer.Exit(EXIT_FAILED)


def read_texts(ref: Path, hyp: Path | None) -> tuple[dict[str, str], dict[str, str]]:
    """References and hypotheses; those without a reference are told and left out."""
    from auricle.client.manifests import read_text
    from auricle.client.recogs import read_recogs

    references, hypotheses = (read_text(ref), read_text(hyp)) if hyp else read_recogs(ref)
    if not references:
        raise ManifestError(f"{ref} has no references")
    odd = hypotheses.keys() - references.keys()
    if odd:
        typer.echo(
            f"{len(odd)} hypotheses without a reference, left out, such as {min(odd)!r}", err=True
        )
    return references, hypotheses


def scores(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    characters: bool | None,
    *,
    normalize: bool,
) -> "Iterator[tuple[str, Score]]":
    """Each score with its heading; characters: as scoring.choose_unit takes it."""
    from auricle.client import scoring

    unit = scoring.choose_unit(references.values(), characters=characters)
    heading = f"text as it is, in {scoring.UNITS[unit]}:"
    yield heading, scoring.score(references, hypotheses, unit)
    if normalize:
        plain = [
            {name: scoring.normalize(text) for name, text in texts.items()}
            for texts in (references, hypotheses)
        ]
        yield "text in lower case without punctuation:", scoring.score(plain[0], plain[1], unit)
