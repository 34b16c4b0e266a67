"""What a reduced model costs in accuracy, before `auricle build` writes it."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.errors import CheckpointError

if TYPE_CHECKING:
    from auricle.build.checkpoint import Checkpoint
    from auricle.build.families import Built, Family, Options
    from auricle.gate.speech import Speech


def plain(options: "Options") -> "Options":
    """The same for the fp32 model."""
    return dataclasses.replace(options, precision="fp32")


def build_plain(family: "Family", source: "Checkpoint", options: "Options") -> "Built":
    try:
        return family.build(source, plain(options))
    except CheckpointError as error:
        raise CheckpointError(f"--wer-set compares with the fp32 model: {error}") from error


@dataclass(frozen=True)
class Trial:
    """models: fp32 and the reduced one, by precision.  name: of the model.  folder: of the set."""

    models: "dict[str, Built]"
    name: str
    folder: Path


def check_accuracy(trial: Trial, speech: "Speech", max_wer_rise: float | None) -> None:
    """AccuracyError if the reduced model may not be written."""
    from auricle.build.export.deviation import deviation
    from auricle.build.repository import populate
    from auricle.gate.decoding import Model
    from auricle.gate.verdict import MAX_RISE, Label, compare

    deployment = populate.Deployment()
    models = trial.models
    fp32, other = models.values()
    difference = deviation(fp32.graphs, other.graphs, fp32.spec.sample_rate)
    with (
        tempfile.TemporaryDirectory(prefix="auricle-") as folder,
        _progress(len(models) * len(speech.utterances)) as tell,
    ):
        for name, built in models.items():
            populate.populate(as_computed(built), name, Path(folder), deployment)
        plain, reduced = (
            Model(name, Path(folder) / name / "1", populate.choose(built, deployment))
            for name, built in models.items()
        )
        label = Label(trial.name, trial.folder.name, difference)
        comparison = compare((plain, reduced), speech, tell, label)
    typer.echo("\n".join(comparison.report()))
    comparison.check(MAX_RISE if max_wer_rise is None else max_wer_rise)


def as_computed(built: "Built") -> "Built":
    """float16 and bfloat16 in float32 with their roundings: the CPU would leave these out."""
    from auricle.build.export.rounding import rounded

    graphs = {role: rounded(model) for role, model in built.graphs.items()}
    return dataclasses.replace(built, graphs=graphs)


@contextmanager
def _progress(total: int) -> "Iterator[Callable[[int], None]]":
    """A bar, where stderr is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("decoding", total=total)
        yield lambda done: bar.advance(task, done)
