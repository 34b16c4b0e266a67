"""A run against its references: the report that a person reads, and whether it is good enough."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from auricle.client import reports, scoring
from auricle.client.scoring import Score
from auricle.client.session import Run


@dataclass(frozen=True)
class Rules:
    """How transcripts are scored.

    characters: True or False force characters or words; None goes by the language.
    normalize: score the normalized texts too; then these are what the limit is for.
    limit: the highest error rate that is good enough, percent.
    log_dir: where icefall's files go.
    """

    characters: bool | None = None
    normalize: bool = False
    limit: float | None = None
    log_dir: Path | None = None


@dataclass(frozen=True)
class Verdict:
    is_good: bool
    report: str


def judge(run: Run, references: Mapping[str, str], rules: Rules) -> Verdict:
    """Score what the run reached, failures included; report errors, speed and failures."""
    reached = run.transcripts.keys() | {outcome.id for outcome in run.outcomes}
    references = {name: text for name, text in references.items() if name in reached}
    lines = []
    score = None
    for heading, score in _scores(run, references, rules) if references else ():
        lines += [heading, reports.kaldi_lines(score)]
    streams = reports.measure_streams(run.outcomes, run.wall_s)
    if speed := streams or reports.measure(run.outcomes, run.wall_s):
        lines.append(str(speed))
    failed = sum(outcome.error is not None for outcome in run.outcomes)
    if failed:
        lines.append(f"{failed} of {len(run.outcomes)} utterances failed")
    misses = score is not None and rules.limit is not None and score.error_rate > rules.limit
    if score and misses:
        lines.append(f"{score.error_rate:.2f} % is above the limit of {rules.limit:g} %")
    return Verdict(not failed and not misses, "\n".join(lines))


def _scores(run: Run, references: Mapping[str, str], rules: Rules) -> Iterator[tuple[str, Score]]:
    unit = scoring.choose_unit(references.values(), characters=rules.characters)
    first = {one.id: one.transcription.first_pass for one in run.outcomes if one.transcription}
    before = {name: text for name, text in first.items() if text is not None}
    if before:
        heading = f"first pass, text as it is, in {scoring.UNITS[unit]}:"
        yield heading, scoring.score(references, before, unit)
    score = scoring.score(references, run.transcripts, unit)
    if rules.log_dir:
        reports.write_icefall(rules.log_dir, run.model, score)
    yield f"text as it is, in {scoring.UNITS[unit]}:", score
    if rules.normalize:
        yield (
            "text in lower case without punctuation:",
            scoring.score(
                scoring.normalize_all(references), scoring.normalize_all(run.transcripts), unit
            ),
        )
