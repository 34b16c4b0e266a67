"""auricle doctor: exit code 0 if this host can serve, 1 if something must be done first."""

import json
import re
import textwrap
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.cli import EXIT_FAILED

if TYPE_CHECKING:
    from auricle.doctor import Finding, Section

SUBJECT, WIDTH = 14, 100  # characters: the column of subjects, a line
HOLD = "\N{NO-BREAK SPACE}"
COLORS = {"ok": "green", "warn": "yellow", "FAIL": "red"}


class Target(str, Enum):
    auto = "auto"
    laptop = "laptop"
    docker = "docker"
    gpu = "gpu"


def run(
    target: Annotated[
        Target, typer.Option(help="How this host is to serve; auto: each way whose tools it has.")
    ] = Target.auto,
    triton_tag: Annotated[
        str | None,
        typer.Option(
            envvar="TRITON_TAG",
            help="Of nvcr.io/nvidia/tritonserver, for the GPU.",
            show_default="that of Dockerfile.server",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object to stdout.")] = False,
) -> None:
    """Check this host before anything is started; nothing is changed."""
    from auricle import doctor

    tag = triton_tag or doctor.DEFAULT_TAG
    sections = doctor.examine(doctor.Target(target.value), tag)
    findings = [finding for section in sections for finding in section.findings]
    counts = {level.value: sum(one.level is level for one in findings) for level in doctor.Level}
    if as_json:
        typer.echo(json.dumps(report(sections, counts), indent=2))
    else:
        for section in sections:
            typer.echo("\n".join([section.title, *map(render, section.findings), ""]))
        for other, tool in doctor.missing_tools().items() if target is Target.auto else ():
            typer.echo(f"Not looked at, for want of {tool}: --target {other.value}")
        typer.echo(", ".join(f"{count} {level}" for level, count in counts.items()))
    if counts["FAIL"]:
        raise typer.Exit(EXIT_FAILED)


def render(finding: "Finding") -> str:
    """A line that says what was found, and under it what to do."""
    level = finding.level.value
    head = f"  {level:4}  {finding.subject:{SUBJECT}}"
    lines = wrap(finding.found, head) + wrap(finding.advice, " " * len(head) + "→ ")
    return "\n".join(lines).replace(level, typer.style(level, fg=COLORS[level]), 1)


def wrap(text: str, head: str) -> list[str]:
    """Lines behind a head; what stands between backticks is a command and stays whole."""
    held = re.sub("`[^`]*`", lambda command: command[0].replace(" ", HOLD), text)
    lines = textwrap.wrap(
        held,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(HOLD, " ") for line in lines]


def report(sections: "list[Section]", counts: dict[str, int]) -> dict[str, object]:
    return {
        "counts": counts,
        "findings": [
            {
                "section": section.title,
                "level": one.level.value,
                "subject": one.subject,
                "found": one.found,
                "advice": one.advice,
            }
            for section in sections
            for one in section.findings
        ],
    }
