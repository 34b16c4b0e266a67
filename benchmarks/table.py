"""Render saved records of `auricle bench` as Markdown: table.py FILE.json...

Loads become one table, levels of streams one for each file.
"""

import itertools
import json
from pathlib import Path
from statistics import median

import typer

from auricle.client.bench.record import load_summaries
from auricle.client.bench.report import markdown
from auricle.client.bench.streaming import record as stream_record
from auricle.client.bench.streaming import report as stream_report


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


def is_of_streams(path: Path) -> bool:
    record = json.loads(path.read_text(encoding="utf-8"))
    return any("streams" in each["summary"] for each in record["measured"])


def render_streams(path: Path) -> str:
    """A row for each level, with what details.labels calls it; then what details says was held."""
    details = json.loads(path.read_text(encoding="utf-8"))["details"]
    summaries = stream_record.load_summaries(path)
    table = stream_report.markdown(summaries, details.get("labels", ()))
    held = details.get("sustained")
    if not held:
        return f"{path.name}:\n\n{table}"
    spread = f"{median(held):g} ({min(held)} to {max(held)})"
    return f"{path.name}: {spread} streams sustained\n\n{table}"


def main(files: list[Path]) -> None:
    """Print the tables, and below them a line about each file."""
    streams = [path for path in files if is_of_streams(path)]
    loads = [path for path in files if path not in streams]
    if loads:
        typer.echo(markdown(itertools.chain.from_iterable(map(load_summaries, loads))) + "\n")
    for path in streams:
        typer.echo(render_streams(path) + "\n")
    typer.echo("\n".join(map(describe, files)))


if __name__ == "__main__":
    typer.run(main)
