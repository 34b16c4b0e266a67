"""auricle build: a published checkpoint -> a model in a Triton repository."""

from pathlib import Path
from typing import Annotated

import typer


def run(
    family: Annotated[str, typer.Argument(help="icefall-transducer, icefall-ctc, ...")],
    name: Annotated[str, typer.Option(help="What clients will call the model.")],
    repo: Annotated[Path, typer.Option(help="The model repository to write to.")],
    source: Annotated[Path | None, typer.Option("--from", help="A checkpoint folder.")] = None,
) -> None:
    """Turn a published checkpoint into a model that Triton serves."""
    from auricle.build import families
    from auricle.build.checkpoint import Checkpoint
    from auricle.build.repository.populate import populate

    known = families.load(family)
    assert source is not None
    built = known.build(Checkpoint(source, str(source)), families.Options())
    typer.echo("\n".join(built.report))
    typer.echo(f"written   {populate(built, name, repo)}")
