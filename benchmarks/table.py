"""Render saved records of `auricle bench` as one Markdown table: table.py FILE.json..."""

import itertools
import json
from pathlib import Path

import typer

from auricle.client.bench.record import load_summaries
from auricle.client.bench.report import markdown


def describe(path: Path) -> str:
    """Where, when and how a record was made."""
    record = json.loads(path.read_text(encoding="utf-8"))
    here, seconds = record["machine"], record["truth"]["seconds"]
    packages = ", ".join(f"{name} {version}" for name, version in here["packages"].items())
    return (
        f"- {path.name}: {len(seconds)} waveforms of {min(seconds):.1f} to {max(seconds):.1f} s; "
        f"{here['cores']} cores of {here['cpu']}, {here['memory_gb']} GB; {record['server']}; "
        f"Python {here['python']}, {packages}; {here['date']}, load average before "
        f"{here['load_average']:.2f}; `{here['command']}`"
    )


def main(files: list[Path]) -> None:
    """Print the table, and below it a line about each file."""
    typer.echo(markdown(itertools.chain.from_iterable(map(load_summaries, files))) + "\n")
    typer.echo("\n".join(map(describe, files)))


if __name__ == "__main__":
    typer.run(main)
