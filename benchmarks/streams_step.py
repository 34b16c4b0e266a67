"""What a step costs one stream by how many share it: the pipeline in this process, one thread.

    auricle build icefall-transducer --from CHECKPOINT --name MODEL --repo REPO
    python benchmarks/streams_step.py REPO/MODEL --json docs/raw/streams-step-MODEL.json

Encoder and search of a window of noise, median of the steps; the sizes take turns, twice.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer
from served_model import read_choices

from auricle.client.bench import machine
from auricle.serve.backend.local import load_streaming_pipeline
from auricle.serve.stream import Chunk
from auricle.serve.streaming import StreamingPipeline

WARM_UP, STEPS, ROUNDS = 2, 12, 2


def step(pipeline: StreamingPipeline, num_streams: int) -> list[float]:
    """Milliseconds a stream of each step."""
    rng = np.random.default_rng(num_streams)
    streams = [pipeline.start() for _ in range(num_streams)]
    taken = []
    for _ in range(WARM_UP + STEPS):
        noise = rng.normal(0, 0.1, (num_streams, pipeline.facts.hop)).astype(np.float32)
        chunks = [Chunk(row) for row in noise]
        begun = time.perf_counter()
        streams, _ = pipeline.step(streams, chunks)
        taken.append(1000 * (time.perf_counter() - begun) / num_streams)
    return taken[WARM_UP:]


def main(
    model: Annotated[Path, typer.Argument(help="REPO/MODEL, of streams.")],
    json_path: Annotated[Path, typer.Option("--json", help="The file to write.")],
    sizes: Annotated[str, typer.Option(help="Streams that share a step.")] = "1,2,4,8,16,32",
) -> None:
    pipeline = load_streaming_pipeline(model / "1", read_choices(model))
    here, found = machine.describe(), {}
    counts = [int(size) for size in sizes.split(",")]
    for _ in range(ROUNDS):
        for count in counts:
            found.setdefault(count, []).extend(step(pipeline, count))
    facts = {"machine": asdict(here), "model": model.name, "ms_a_stream": found}
    json_path.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    alone = median(found[counts[0]])
    for count, taken in found.items():
        typer.echo(f"{count} streams: {median(taken):.2f} ms each, {median(taken) / alone:.2f}")


if __name__ == "__main__":
    typer.run(main)
