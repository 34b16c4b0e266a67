"""auricle build: a published checkpoint -> a model in a Triton repository."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Runner(str, Enum):
    onnxruntime = "onnxruntime"
    bls = "bls"


class Precision(str, Enum):
    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


def run(  # noqa: PLR0913  # one parameter an option
    family: Annotated[str, typer.Argument(help="icefall-transducer, icefall-ctc.")],
    *,
    name: Annotated[str, typer.Option(help="What clients will call the model.")],
    repo: Annotated[
        Path, typer.Option(envvar="AURICLE_REPO", help="The model repository to write to.")
    ],
    checkpoint: Annotated[
        Path | None,
        typer.Option("--from", help="A checkpoint folder; without it one is downloaded."),
    ] = None,
    lock: Annotated[
        Path,
        typer.Option(envvar="AURICLE_LOCK", help="Where downloads record revision and sha256."),
    ] = Path("auricle.lock.json"),
    precision: Annotated[
        Precision, typer.Option(help="Which of the checkpoint's graphs to take.")
    ] = Precision.fp32,
    runner: Annotated[
        Runner, typer.Option(help="Who runs the encoder: the pipeline itself, or Triton (bls).")
    ] = Runner.onnxruntime,
    instances: Annotated[
        int | None,
        typer.Option(
            min=2, help="Instances of each model; by default one a core, but two at least."
        ),
    ] = None,
    parity_audio: Annotated[
        Path | None,
        typer.Option(help="A 16-bit wav, or a folder of them, to compare the graphs on."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an edited config.pbtxt.")
    ] = False,
) -> None:
    """Turn a published checkpoint into a model that Triton serves."""
    from auricle.build import families
    from auricle.build.checkpoint import Checkpoint
    from auricle.build.checkpoint.hub import fetch
    from auricle.build.repository import populate

    known = families.load(family)
    populate.check_name(name)
    populate.check_target(repo / name)
    options = families.Options(precision.value, parity_audio)
    if checkpoint is None:
        source = fetch(known.source, lambda names: known.choose(names, options), lock)
    else:
        source = Checkpoint(checkpoint, str(checkpoint))
    built = known.build(source, options)
    typer.echo("\n".join(built.report))
    deployment = populate.Deployment(runner.value, instances, force)
    written = populate.populate(built, name, repo, deployment)
    for folder in written.folders:
        typer.echo(f"written   {folder}")
    for path in written.kept:
        typer.echo(f"kept      {path}, which was edited; --force overwrites it")
