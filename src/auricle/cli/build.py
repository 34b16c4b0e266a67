"""auricle build: a published checkpoint -> a model in a Triton repository."""

import dataclasses
import pkgutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auricle.errors import CheckpointError

if TYPE_CHECKING:
    from auricle.build.checkpoint import Checkpoint
    from auricle.build.families import Built, Family, Options
    from auricle.gate.speech import Speech

FAMILIES = Path(__file__).parents[1] / "build" / "families"  # whose import would load onnx
FAMILY_NAMES = sorted(
    each.name.replace("_", "-")
    for each in pkgutil.iter_modules([str(FAMILIES)])
    if not each.name.startswith("_")
)


class Runner(str, Enum):
    onnxruntime = "onnxruntime"
    bls = "bls"


class Precision(str, Enum):
    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


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


def run(  # noqa: PLR0913  # one parameter an option
    family: Annotated[str, typer.Argument(help=f"{', '.join(FAMILY_NAMES)}.")],
    exporter_arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- ARGUMENTS", help="For the exporter of --export.", show_default=False
        ),
    ] = None,
    *,
    name: Annotated[str, typer.Option(help="What clients will call the model.")],
    repo: Annotated[
        Path, typer.Option(envvar="AURICLE_REPO", help="The model repository to write to.")
    ],
    checkpoint: Annotated[
        Path | None,
        typer.Option("--from", help="A checkpoint folder; without it one is downloaded."),
    ] = None,
    export: Annotated[
        bool,
        typer.Option(
            "--export", help="The checkpoint is PyTorch's: run its project's exporter first."
        ),
    ] = False,
    checkout: Annotated[
        Path | None,
        typer.Option(help="WeNet's or icefall's source, which has their exporter."),
    ] = None,
    python: Annotated[
        str | None,
        typer.Option(help="The interpreter that has what the exporter needs."),
    ] = None,
    lock: Annotated[
        Path,
        typer.Option(envvar="AURICLE_LOCK", help="Where downloads record revision and sha256."),
    ] = Path("auricle.lock.json"),
    precision: Annotated[
        Precision,
        typer.Option(help="Of the checkpoint's own graphs; int8 is made of fp32 where it is none."),
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
    wer_set: Annotated[
        Path | None,
        typer.Option(
            help="A folder with wav.scp and trans.txt or text: write a reduced model only if it "
            "hears this about as well as the fp32 one."
        ),
    ] = None,
    max_wer_rise: Annotated[
        float | None,
        typer.Option(
            min=0, help="Points of WER that the reduced model may lose.", show_default="0.5"
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an edited config.pbtxt.")
    ] = False,
) -> None:
    """Turn a published checkpoint into a model that Triton serves."""
    from auricle.build import families
    from auricle.build.repository import populate

    known = families.load(family)
    populate.check_name(name)
    populate.check_target(repo / name)
    _check_needs(precision, wer_set, max_wer_rise)
    speech = _read_speech(wer_set) if wer_set else None
    options = families.Options(precision.value, parity_audio)
    upstream = Upstream(export, checkout, python, tuple(exporter_arguments or ()))
    wanted = [options, *([_plain(options)] if speech else [])]
    with _find(known, Wish(checkpoint, lock, wanted, upstream)) as source:
        built = known.build(source, options)
        typer.echo("\n".join(built.report))
        if speech:
            plain = _build_plain(known, source, options)
            _check_accuracy({"fp32": plain, precision.value: built}, speech, max_wer_rise)
    deployment = populate.Deployment(runner.value, instances, force)
    written = populate.populate(built, name, repo, deployment)
    for folder in written.folders:
        typer.echo(f"written   {folder}")
    for path in written.kept:
        typer.echo(f"kept      {path}, which was edited; --force overwrites it")


def _check_needs(precision: Precision, wer_set: Path | None, max_wer_rise: float | None) -> None:
    if max_wer_rise is not None and not wer_set:
        raise typer.BadParameter("--max-wer-rise needs transcribed speech: give it with --wer-set")
    if wer_set and precision is Precision.fp32:
        raise typer.BadParameter(
            "--wer-set compares a reduced model with the fp32 one; add --precision int8 or fp16"
        )


def _read_speech(folder: Path) -> "Speech":
    from auricle.gate.speech import read_speech

    return read_speech(folder)


def _plain(options: "Options") -> "Options":
    return dataclasses.replace(options, precision="fp32")


@contextmanager
def _find(family: "Family", wish: Wish) -> "Iterator[Checkpoint]":
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
        )
        yield family.exporter.export(request)


def _find_graphs(family: "Family", wish: Wish) -> "Checkpoint":
    """All that is wanted of them."""
    from auricle.build.checkpoint import Checkpoint
    from auricle.build.checkpoint.hub import fetch
    from auricle.build.upstream.files import check_graphs

    if wish.folder:
        check_graphs(wish.folder)
        return Checkpoint(wish.folder, str(wish.folder))
    if family.source is None:
        weights = family.exporter.source
        raise CheckpointError(
            "no published graphs are known for this family: name a folder with --from"
            + (f", or add --export to fetch {weights.repo_id} and export it" if weights else "")
        )

    def choose(names: list[str]) -> list[str]:
        chosen = [name for options in wish.wanted for name in family.choose(names, options)]
        return list(dict.fromkeys(chosen))

    return fetch(family.source, choose, wish.lock)


def _find_weights(family: "Family", wish: Wish) -> "Checkpoint":
    from auricle.build.checkpoint import Checkpoint
    from auricle.build.checkpoint.hub import fetch

    if wish.folder:
        return Checkpoint(wish.folder, str(wish.folder))
    if family.exporter.source is None:
        raise CheckpointError(
            "no published weights are known for this family: name their folder with --from"
        )
    return fetch(family.exporter.source, family.exporter.choose, wish.lock)


def _build_plain(family: "Family", source: "Checkpoint", options: "Options") -> "Built":
    try:
        return family.build(source, _plain(options))
    except CheckpointError as error:
        raise CheckpointError(f"--wer-set compares with the fp32 model: {error}") from error


def _check_accuracy(
    models: "dict[str, Built]", speech: "Speech", max_wer_rise: float | None
) -> None:
    """models: fp32 and the reduced one, by name.  AccuracyError if that may not be written."""
    from auricle.build.repository import populate
    from auricle.gate.decoding import Model
    from auricle.gate.verdict import MAX_RISE, compare

    deployment = populate.Deployment()
    with (
        tempfile.TemporaryDirectory(prefix="auricle-") as folder,
        _progress(len(models) * len(speech.utterances)) as tell,
    ):
        for name, built in models.items():
            populate.populate(built, name, Path(folder), deployment)
        plain, reduced = (
            Model(name, Path(folder) / name / "1", populate.choose(built, deployment))
            for name, built in models.items()
        )
        comparison = compare(plain, reduced, speech, tell)
    typer.echo("\n".join(comparison.report()))
    comparison.check(MAX_RISE if max_wer_rise is None else max_wer_rise)


@contextmanager
def _progress(total: int) -> "Iterator[Callable[[int], None]]":
    """A bar, where stderr is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("decoding", total=total)
        yield lambda done: bar.advance(task, done)
