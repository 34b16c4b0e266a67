"""Render saved records of `auricle bench` as one Markdown table: table.py FILE.json..."""

import itertools
from pathlib import Path

import typer

from auricle.client.bench.record import load_summaries
from auricle.client.bench.report import markdown


def main(files: list[Path]) -> None:
    typer.echo(markdown(itertools.chain.from_iterable(map(load_summaries, files))))


if __name__ == "__main__":
    typer.run(main)
