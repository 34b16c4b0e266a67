"""Whisper's greedy search of a batch beside transformers on the same CPU.

    python -m benchmarks.whisper --json docs/raw/whisper-decoding.json

The decoder has whisper-base's size and random weights; both sides write the same tokens, and no
end is allowed. Every measurement is taken in turn with its rivals', round after round.
"""

import logging
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import transformers
import typer
from numpy.typing import NDArray

from auricle.build import families
from auricle.build.checkpoint import Checkpoint
from auricle.build.export.reference import load_waveforms
from auricle.build.families import Options
from auricle.build.repository.populate import Deployment, populate
from auricle.serve.backend.local import load_pipeline
from auricle.serve.decode.autoregressive import Caches, Floats, Ints, Prompt, greedy_search
from auricle.serve.pipeline import Pipeline
from auricle.spec import Choices
from benchmarks.in_turn import time_in_turn, write
from tests.build import tiny_whisper

SAMPLE_RATE = 16000
BASE = tiny_whisper.Tiny(
    seconds=30, positions=448, size=512, layers=6, heads=8, ffn=4, num_tokens=51_865,
    writes_times=False,
)  # fmt: skip
PROMPT_TOKENS = 4

Waveform = NDArray[np.float32]


@dataclass
class Ours:
    """The pipeline's decoder, step by step, with the time that each took."""

    pipeline: Pipeline
    num_tokens: int
    steps: list[float] = field(default_factory=list)

    def encode(self, waveforms: list[Waveform]) -> NDArray[np.float32]:
        lens = np.array([len(each) for each in waveforms], np.int32)
        batch = {"WAV": np.stack(waveforms), "WAV_LENS": lens}
        (outputs,) = self.pipeline.runner.run("encoder", [batch])
        return np.asarray(outputs["ENCODER_OUT"], np.float32)

    def decode(self, encoder_out: NDArray[np.float32]) -> list[list[int]]:
        form = self.pipeline.long_form
        assert form is not None, "a Whisper is heard in windows"
        facts, marks = form.facts, []

        def step(tokens: Ints, caches: Caches) -> tuple[Floats, Caches]:
            marks.append(time.perf_counter())
            return form.decode(tokens, caches)

        rules = replace(
            form.rules,
            max_tokens=PROMPT_TOKENS + self.num_tokens,
            suppressed_ids=(*form.rules.suppressed_ids, facts.end_id),
        )
        (caches,) = self.pipeline.runner.run("cross_attention", [{"ENCODER_OUT": encoder_out}])
        prompt = Prompt((facts.start_id, facts.languages["en"], facts.tasks["transcribe"],
                         facts.no_timestamps_id))  # fmt: skip
        written = greedy_search([prompt] * len(encoder_out), caches, step, rules)
        self.steps = np.diff(marks).tolist()
        return [each.ids for each in written]


@dataclass
class Theirs:
    model: Any
    num_tokens: int

    def encode(self, input_features: Any) -> Any:
        with torch.no_grad():
            return self.model.model.encoder(input_features)

    def decode(self, encoder_outputs: Any) -> list[list[int]]:
        config = self.model.generation_config
        suppressed = sorted({*config.suppress_tokens, config.eos_token_id})
        ids = self.model.generate(
            encoder_outputs=encoder_outputs, language="en", task="transcribe", do_sample=False,
            num_beams=1, max_new_tokens=self.num_tokens, suppress_tokens=suppressed,
        )  # fmt: skip
        return [row[-self.num_tokens :] for row in ids.tolist()]


def make_pipeline(folder: Path, threads: int) -> Pipeline:
    checkpoint = tiny_whisper.write_optimum(folder / "checkpoint", BASE)
    built = families.load("whisper").build(Checkpoint(checkpoint, "random"), Options())
    populate(built, "base", folder / "repository", Deployment())
    return load_pipeline(folder / "repository" / "base" / "1", Choices(threads=threads))


def main(
    batch: Annotated[int, typer.Option(help="Utterances of 10 s.")] = 8,
    tokens: Annotated[int, typer.Option(help="That each utterance is written.")] = 100,
    threads: Annotated[int, typer.Option(help="Of both.")] = 1,
    rounds: Annotated[int, typer.Option(help="Of both, in turn.")] = 5,
    json: Annotated[Path | None, typer.Option(help="Keep every round in this file.")] = None,
) -> None:
    """Tokens per second of a batch, and whether a token takes longer the later it comes."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.set_num_threads(threads)
    (speech,) = load_waveforms(None, SAMPLE_RATE)
    waveforms = [np.roll(np.tile(speech, 2), 4000 * each)[:160_000] for each in range(batch)]
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(make_pipeline(Path(folder), threads), tokens)
    theirs = Theirs(tiny_whisper.make_model(BASE), tokens)
    extractor = transformers.WhisperFeatureExtractor(80)
    input_features = extractor(waveforms, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    hidden = ours.encode(waveforms)
    outputs = theirs.encode(input_features["input_features"])
    written, expected = ours.decode(hidden), theirs.decode(outputs)
    steps: list[list[float]] = []

    def run_ours() -> None:
        ours.decode(hidden)
        steps.append(ours.steps)

    found = time_in_turn({"auricle": run_ours, "transformers": lambda: theirs.decode(outputs)},
                         rounds)  # fmt: skip
    speeds = {name: batch * tokens / (timing.ms / 1000) for name, timing in found.items()}
    middle = np.median(np.array(steps[1:]), axis=0)[PROMPT_TOKENS:]
    early, late = (1000 * float(np.median(part)) for part in (middle[:10], middle[-10:]))
    same = sum(one == other for one, other in zip(written, expected, strict=True))
    typer.echo(f"same tokens   {same} of {batch} utterances")
    for name, speed in speeds.items():
        ratios = [1000 * each / found["auricle"].ms for each in found[name].seconds]
        typer.echo(f"{name:13} {speed:7.1f} tokens/s, {found[name].ms:.0f} ms a batch "
                   f"({min(ratios):.2f} to {max(ratios):.2f} of auricle's median)")  # fmt: skip
    typer.echo(f"ratio         {speeds['auricle'] / speeds['transformers']:.2f}x")
    typer.echo(f"a step        {early:.1f} ms at the start, {late:.1f} ms at the end "
               f"({late / early:.2f}x)")  # fmt: skip
    record = {"batch": batch, "tokens": tokens, "threads": threads, "steps": steps,
              "timings": [asdict(each) for each in found.values()]}  # fmt: skip
    write(json, record, ("torch", "transformers", "onnx"))


if __name__ == "__main__":
    typer.run(main)
