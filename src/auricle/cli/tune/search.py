"""What `auricle tune` does: reads the corpus, goes through the settings, tells of each."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from auricle.cli import EXIT_FAILED
from auricle.cli.transcribe import steps

if TYPE_CHECKING:
    from auricle.audio import Waveform
    from auricle.client.corpus import Outcome
    from auricle.client.tune.experiment import Plan, Point
    from auricle.client.tune.grid import Setting

Tell = Callable[["Outcome"], None]


@dataclass(frozen=True)
class Wanted:
    """The files that are asked for beside the table."""

    json: Path | None
    plot: Path | None

    def check(self) -> None:
        """End the command before a long run whose picture or record could not be kept."""
        from auricle.client import figures

        if self.plot:
            figures.check()
        for path in filter(None, (self.json, self.plot)):
            path.parent.mkdir(parents=True, exist_ok=True)


@dataclass
class Search:
    """A plan for one server, and what came of it; an interruption leaves it as it stands."""

    server: steps.Server
    model: str | None
    plan: "Plan"
    points: list["Point"] = field(default_factory=list)

    async def run(self, tell: Tell) -> None:
        from auricle.client.tune import experiment

        async with self.server.connect(self.model) as client:
            self.model = await client.model()
            await experiment.prepare(client, self.plan)
            async with aclosing(experiment.measure(client, self.plan, tell)) as points:
                async for point in points:
                    self.points.append(point)
                    steps.say(self._progress(point))

    def _progress(self, point: "Point") -> str:
        from auricle.client.tune import grid, report

        name = report.rate_name(point.score)
        return (
            f"{len(self.points)} of {len(self.plan.settings)}: {grid.describe(point.setting)}: "
            f"{name} {point.score.error_rate:.2f} %, RTF {report.rtf(point):.4f}"
        )


def make_settings(axes: Sequence[str], fixed: dict[str, str]) -> "list[Setting]":
    from auricle.client.tune import grid

    parsed = grid.parse(axes)
    both = sorted(parsed.keys() & fixed)
    if both:
        raise typer.BadParameter(f"{both[0]} is given by --grid and by --parameter; leave one")
    return grid.settings(parsed)


def read_corpus(
    named: steps.Named, trans: Path | None, sample_rate: int
) -> "tuple[dict[str, Waveform], dict[str, str]]":
    """The waveforms that have a transcript, float32 [num_samples] each, and the transcripts."""
    from auricle.client.bench import workload

    if not (named.wavscp and trans):
        raise typer.BadParameter(
            "tuning needs audio and what was said: give --wavscp and --trans, or --manifest-dir"
        )
    utterances = steps.find_utterances(named)
    references = steps.read_references(trans, utterances)
    spoken = [each for each in utterances if each.id in references]
    return workload.read(spoken, sample_rate), references


def carry_out(search: Search, wanted: Wanted) -> int:
    """Go through the settings, and print what was done of them; the exit code."""
    total = len(search.plan.settings) * len(search.plan.waveforms)
    with _progress(total) as tell:
        code = steps.run_until_stopped(
            lambda: search.run(tell), "interrupted; here is what was done"
        )
    if search.points:
        _report(search, wanted)
    failed = any(point.failed for point in search.points)
    return code or (EXIT_FAILED if failed else 0)


def _report(search: Search, wanted: Wanted) -> None:
    from auricle.client.bench import machine
    from auricle.client.tune import plot, report

    assert search.model, "a point has a model"
    typer.echo(report.markdown(search.points))
    if wanted.json:
        here, rate = machine.describe(), search.server.sample_rate
        report.Record(here, search.model, search.plan, rate, search.points).save(wanted.json)
    if wanted.plot:
        plot.save(search.points, wanted.plot, search.model)


@contextmanager
def _progress(total: int) -> Iterator[Tell]:
    """A bar where stderr is a terminal; each setting has its line anyway."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    console, is_hidden = Console(stderr=True), not sys.stderr.isatty()
    with Progress(*columns, console=console, disable=is_hidden, redirect_stdout=False) as bar:
        task = bar.add_task("tuning", total=total)

        def tell(outcome: "Outcome") -> None:
            if outcome.error:
                steps.say(f"auricle: {outcome.id}: {outcome.error}")
            bar.advance(task)

        yield tell
