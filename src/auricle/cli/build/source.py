"""Where `auricle build` gets a checkpoint: a folder, a download, or an exporter's hands."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.errors import CheckpointError

if TYPE_CHECKING:
    from auricle.build.checkpoint import Checkpoint
    from auricle.build.families import Family, Options


@dataclass(frozen=True)
class Upstream:
    """What was said of an exporter."""

    export: bool
    checkout: Path | None
    python: str | None
    arguments: tuple[str, ...]

    def is_asked(self) -> bool:
        """A usage error if all but --export itself was given."""
        if not self.export and (self.checkout or self.python or self.arguments):
            raise typer.BadParameter(
                "--checkout, --python and what follows -- are for an exporter: add --export"
            )
        return self.export


@dataclass(frozen=True)
class Wish:
    """folder: what --from named.  wanted: for each, the files must be there."""

    folder: Path | None
    lock: Path
    wanted: "list[Options]"
    upstream: Upstream


@contextmanager
def find(family: "Family", wish: Wish) -> "Iterator[Checkpoint]":
    """The graphs that were named, or else downloaded, or else exported: those last for a while."""
    if not wish.upstream.is_asked():
        yield _find_graphs(family, wish)
        return
    from auricle.build.upstream import Request

    weights = _find_weights(family, wish)
    with tempfile.TemporaryDirectory(prefix="auricle-") as out:
        request = Request(
            weights,
            Path(out),
            lambda line: typer.echo(line, err=True),
            wish.upstream.checkout,
            wish.upstream.python,
            wish.upstream.arguments,
            wish.wanted[0].streaming,
        )
        yield family.exporter.export(request)


def _find_graphs(family: "Family", wish: Wish) -> "Checkpoint":
    """All that is wanted of them."""
    from auricle.build.checkpoint import Checkpoint
    from auricle.build.checkpoint.hub import fetch
    from auricle.build.checkpoint.silero import Installed
    from auricle.build.upstream.files import check_graphs

    if wish.folder:
        check_graphs(wish.folder)
        return Checkpoint(wish.folder, str(wish.folder))
    source = family.streaming_source if wish.wanted[0].streaming else family.source
    if isinstance(source, Installed):
        return source.find()
    if source is None:
        raise CheckpointError(_nothing_published(family, streaming=wish.wanted[0].streaming))

    def choose(names: list[str]) -> list[str]:
        chosen = [name for options in wish.wanted for name in family.choose(names, options)]
        return list(dict.fromkeys(chosen))

    return fetch(source, choose, wish.lock)


def _nothing_published(family: "Family", *, streaming: bool) -> str:
    if streaming:
        return "no published streaming graphs are known for this family: name a folder with --from"
    weights = family.exporter.source
    return "no published graphs are known for this family: name a folder with --from" + (
        f", or add --export to fetch {weights.repo_id} and export it" if weights else ""
    )


def _find_weights(family: "Family", wish: Wish) -> "Checkpoint":
    from auricle.build.checkpoint import Checkpoint
    from auricle.build.checkpoint.hub import fetch

    if wish.folder:
        return Checkpoint(wish.folder, str(wish.folder))
    exporter = family.exporter
    source = exporter.streaming_source if wish.wanted[0].streaming else exporter.source
    if source is None:
        raise CheckpointError(
            "no published weights are known for this family: name their folder with --from"
        )
    return fetch(source, exporter.choose, wish.lock)
