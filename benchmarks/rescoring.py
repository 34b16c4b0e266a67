"""What attention rescoring adds to its two graphs: prefix beam search, padding, times, text.

    python benchmarks/rescoring.py REPO/MODEL AUDIO... --json docs/raw/rescoring.json

A batch goes through the whole pipeline in this process; the Runner notes how long each graph ran.
"""

import json as json_format
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import served_model
import typer

from auricle.client.bench import machine, workload
from auricle.client.manifests import find_audio
from auricle.serve.pipeline import Pipeline
from auricle.serve.runner import Runner, Tensors

SAMPLE_RATE = 16000


@dataclass
class Stopwatch:
    """A Runner that notes the seconds and rows of each graph."""

    runner: Runner
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    rows: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def run(self, graph: str, batches: Sequence[Tensors]) -> list[Tensors]:
        started = time.perf_counter()
        outputs = self.runner.run(graph, batches)
        self.seconds[graph] += time.perf_counter() - started
        self.rows[graph] += sum(len(next(iter(batch.values()))) for batch in batches)
        return outputs


def time_once(pipeline: Pipeline, waveforms: list[workload.Waveform]) -> dict[str, float]:
    """Milliseconds: of each graph, and beyond them."""
    watch = Stopwatch(pipeline.runner)
    timed = Pipeline(pipeline.spec, pipeline.choices, watch, pipeline.tokens)
    started = time.perf_counter()
    timed.transcribe(waveforms)
    whole = time.perf_counter() - started
    found = {graph: 1000 * seconds for graph, seconds in watch.seconds.items()}
    return found | {"beyond": 1000 * whole - sum(found.values())}


def main(
    folder: Annotated[Path, typer.Argument(help="A served model with a rescorer.")],
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    seconds: Annotated[str, typer.Option(help="Join audio to such lengths.")] = "2:15",
    batch: Annotated[int, typer.Option(help="Utterances.")] = 16,
    rounds: Annotated[int, typer.Option(help="Runs, after one that does not count.")] = 9,
    json: Annotated[Path | None, typer.Option(help="Where to write every run.")] = None,
) -> None:
    audio = workload.read(find_audio(files), SAMPLE_RATE)
    lengths = workload.parse_mix(seconds, batch, seed=1)
    waveforms = list(workload.mix(audio, lengths, SAMPLE_RATE).values())
    pipeline = served_model.load(folder)
    pipeline.choices = replace(pipeline.choices, max_sub_batch=1)
    runs = [time_once(pipeline, waveforms) for _ in range(rounds + 1)][1:]
    shares = [run["beyond"] / (sum(run.values()) - run["beyond"]) for run in runs]
    for name in runs[0]:
        typer.echo(f"{name:9} {median(run[name] for run in runs):7.1f} ms")
    typer.echo(
        f"beyond the graphs: {100 * median(shares):.1f} % "
        f"({100 * min(shares):.1f} to {100 * max(shares):.1f})"
    )
    if json:
        record = {"machine": machine.describe(), "batch": batch, "seconds": seconds, "runs": runs}
        json.write_text(json_format.dumps(record, indent=1, default=vars) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
