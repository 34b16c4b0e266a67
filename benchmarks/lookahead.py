"""Look-ahead greedy search against frame by frame: which window pays for which joiner.

    python benchmarks/lookahead.py REPO/MODEL AUDIO... --json docs/raw/lookahead.json

The encoder runs once, over a batch of audio of 2 to 15 s; then every search in turn, round after
round, with the model's own threads. All must find the same tokens at the same frames.
"""

import json as json_format
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import served_model
import typer
from numpy.typing import NDArray

from auricle.client.bench import machine, workload
from auricle.client.manifests import find_audio
from auricle.serve.decode.hypothesis import Hypothesis
from auricle.serve.decode.transducer import ContextCache, Floats, Ints, Options, greedy_search
from auricle.serve.pipeline import Pipeline
from auricle.serve.planning import pad


@dataclass
class Nets:
    """The decoder and joiner of a pipeline; counts the joiner's calls and the rows in them."""

    pipeline: Pipeline
    calls: int = 0
    rows: int = 0

    def decoder(self, y: Ints) -> Floats:
        (outputs,) = self.pipeline.runner.run("decoder", [{"y": y}])
        return np.asarray(outputs["decoder_out"], np.float32)

    def joiner(self, encoder_out: Floats, decoder_out: Floats) -> Floats:
        self.calls += 1
        self.rows += len(encoder_out)
        inputs = {"encoder_out": encoder_out, "decoder_out": decoder_out}
        (outputs,) = self.pipeline.runner.run("joiner", [inputs])
        return np.asarray(outputs["logit"], np.float32)


@dataclass(frozen=True)
class Batch:
    """encoder_out: float32 [N, T, J].  lens: int32 [N], valid frames."""

    encoder_out: Floats
    lens: NDArray[np.int32]


Search = Callable[[Batch, Nets, Options], list[Hypothesis]]


@dataclass
class Timing:
    """calls, rows: of the joiner, in one search.  tokens: found by it."""

    name: str
    calls: int
    rows: int
    tokens: int
    ms: list[float] = field(default_factory=list)


def search_frame_by_frame(batch: Batch, nets: Nets, options: Options) -> list[Hypothesis]:
    """The plain loop: one joiner call a frame, over the utterances that are that long."""
    hypotheses = [Hypothesis() for _ in batch.lens]
    contexts = np.full((len(batch.lens), options.context_size), -1)
    contexts[:, -1] = options.blank_id
    decoder_out = nets.decoder(contexts)
    for frame in range(max(batch.lens)):
        active = np.flatnonzero(batch.lens > frame)
        logits = nets.joiner(batch.encoder_out[active, frame], decoder_out[active])
        best = logits.argmax(axis=1)
        emits = (best != options.blank_id) & (best != options.unk_id)
        if not emits.any():
            continue
        rows, tokens, logits = active[emits], best[emits], logits[emits]
        peak = logits.max(axis=1)
        log_probs = -np.log(np.exp(logits - peak[:, None]).sum(axis=1))
        for row, token, log_prob in zip(rows, tokens, log_probs, strict=True):
            hypotheses[row].ids.append(int(token))
            hypotheses[row].frames.append(frame)
            hypotheses[row].log_probs.append(float(log_prob))
        contexts[rows] = np.column_stack([contexts[rows, 1:], tokens])
        decoder_out[rows] = nets.decoder(contexts[rows])
    return hypotheses


def look_ahead(window: int) -> Search:
    def search(batch: Batch, nets: Nets, options: Options) -> list[Hypothesis]:
        chosen = replace(options, lookahead=window)
        decoder = ContextCache(nets.decoder)  # as served, but empty at the start of every search
        return greedy_search(batch.encoder_out, batch.lens, decoder, nets.joiner, chosen)

    return search


def encode(pipeline: Pipeline, waveforms: workload.Waveforms) -> Batch:
    (outputs,) = pipeline.runner.run("encoder", [pad(list(waveforms.values()))])
    return Batch(
        np.asarray(outputs["ENCODER_OUT"], np.float32), np.asarray(outputs["OUT_LENS"], np.int32)
    )


def time_searches(
    pipeline: Pipeline, batch: Batch, searches: dict[str, Search], rounds: int
) -> list[Timing]:
    """A warm-up that checks them against the first, then all of them in turn, `rounds` times."""
    options = Options(pipeline.spec.context_size, pipeline.spec.blank_id, pipeline.spec.unk_id)
    timings: list[Timing] = []
    truth = None
    for name, search in searches.items():
        nets = Nets(pipeline)
        found = search(batch, nets, options)
        places = [(each.ids, each.frames) for each in found]
        truth = truth or places
        assert places == truth, f"{name} finds other tokens"
        tokens = sum(len(each.ids) for each in found)
        timings.append(Timing(name, nets.calls, nets.rows, tokens))
    for _ in range(rounds):
        for timing, search in zip(timings, searches.values(), strict=True):
            start = time.perf_counter()
            search(batch, Nets(pipeline), options)
            timing.ms.append(1e3 * (time.perf_counter() - start))
    return timings


def markdown(timings: list[Timing]) -> str:
    first = timings[0]
    rows = [
        f"| {each.name} | {median(each.ms):.1f} | {median(first.ms) / median(each.ms):.2f}x "
        f"| {each.calls} | {each.rows} |"
        for each in timings
    ]
    head = ["| search | ms | speed | joiner calls | rows |", "| --- | ---: | ---: | ---: | ---: |"]
    return "\n".join(head + rows)


def main(  # noqa: PLR0913, PLR0917
    folder: Annotated[Path, typer.Argument(help="A built transducer: REPO/MODEL.")],
    files: Annotated[list[str], typer.Argument(help="Audio: files, folders, globs.")],
    windows: Annotated[str, typer.Option(help="Frames looked ahead.")] = "1,2,4,6,8,12,16",
    batch: Annotated[int, typer.Option(help="Utterances.")] = 16,
    seconds: Annotated[str, typer.Option(help="Join audio to such lengths.")] = "2:15",
    rounds: Annotated[int, typer.Option(help="Of every search, in turn.")] = 15,
    json: Annotated[Path | None, typer.Option(help="Keep every round in this file.")] = None,
) -> None:
    pipeline = served_model.load(folder)
    audio = workload.read(find_audio(files), pipeline.spec.sample_rate)
    mix = workload.parse_mix(seconds, batch, seed=1)
    encoded = encode(pipeline, workload.mix(audio, mix, pipeline.spec.sample_rate))
    searches: dict[str, Search] = {"frame by frame": search_frame_by_frame}
    searches |= {f"W = {each}": look_ahead(int(each)) for each in windows.split(",")}
    here = machine.describe()
    timings = time_searches(pipeline, encoded, searches, rounds)
    typer.echo(markdown(timings))
    share = timings[0].tokens / encoded.lens.sum()
    typer.echo(f"\n{encoded.lens.sum()} frames, of which {share:.1%} emit a token.")
    if json:
        facts = {"machine": asdict(here), "model": str(folder), "frames": int(encoded.lens.sum())}
        record = facts | {"timings": [asdict(each) for each in timings]}
        json.write_text(json_format.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
