"""A built model decodes speech on this machine's cores, without Triton."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from auricle import audio, spec
from auricle.audio import Waveform
from auricle.client.manifests import Utterance, fetch
from auricle.errors import ManifestError
from auricle.serve.backend.local import create_pipeline, create_streaming_pipeline
from auricle.serve.backend.onnx_runner import OnnxRunner
from auricle.serve.runner import Runner
from auricle.serve.stream import Chunk
from auricle.spec import Choices, PipelineSpec

GROUP = 4  # utterances searched together, as many as the server prefers

Tell = Callable[[int], None]  # hears how many more utterances are done
Hear = Callable[[Sequence[Waveform]], list[str]]


@dataclass(frozen=True)
class Model:
    """name: what the report calls it.  folder: <repository>/<model>/1."""

    name: str
    folder: Path
    choices: Choices


@dataclass(frozen=True)
class Decoded:
    """transcripts: by id.  audio_s: seconds decoded.  wall_s: what it took, reading included."""

    transcripts: Mapping[str, str]
    audio_s: float
    wall_s: float


def decode(model: Model, utterances: Sequence[Utterance], num_threads: int, tell: Tell) -> Decoded:
    """AudioError or ManifestError for what cannot be read or is too long: the set is at fault.

    Threads, for the networks are nearly all of the work and release the interpreter; so the
    weights are loaded once, while each thread has a pipeline of its own.
    """
    facts = spec.load(model.folder)
    graphs = {role: model.folder / name for role, name in facts.graphs.items()}
    runner = OnnxRunner(graphs, model.choices.threads)
    idle: SimpleQueue[Hear] = SimpleQueue()
    for _ in range(num_threads):
        idle.put(_create_hearer(facts, model, runner))

    def work(group: Sequence[Utterance]) -> tuple[list[str], float]:
        hear = idle.get()
        try:
            waveforms = [_load(one, facts, model.choices) for one in group]
            return hear(waveforms), sum(map(len, waveforms)) / facts.sample_rate
        finally:
            idle.put(hear)

    groups = [utterances[start : start + GROUP] for start in range(0, len(utterances), GROUP)]
    transcripts: dict[str, str] = {}
    audio_s = 0.0
    start = time.perf_counter()
    with ThreadPoolExecutor(num_threads) as pool:
        for group, (texts, seconds) in zip(groups, pool.map(work, groups), strict=True):
            transcripts.update(zip((one.id for one in group), texts, strict=True))
            audio_s += seconds
            tell(len(group))
    return Decoded(transcripts, audio_s, time.perf_counter() - start)


def _create_hearer(facts: PipelineSpec, model: Model, runner: Runner) -> Hear:
    if not facts.streaming:
        pipeline = create_pipeline(facts, model.choices, model.folder, runner)
        return lambda waveforms: [each.text for each in pipeline.transcribe(waveforms)]
    streaming = create_streaming_pipeline(facts, model.choices, model.folder, runner)

    def hear(waveforms: Sequence[Waveform]) -> list[str]:
        """Each utterance is a stream of one chunk."""
        streams = [streaming.start() for _ in waveforms]
        chunks = [Chunk(waveform, is_last=True) for waveform in waveforms]
        return [partial.text for partial in streaming.step(streams, chunks)[1]]

    return hear


def _load(utterance: Utterance, facts: PipelineSpec, choices: Choices) -> Waveform:
    waveform = audio.load(fetch(utterance.source), facts.sample_rate)
    seconds = len(waveform) / facts.sample_rate
    longest = min(choices.max_audio_seconds, facts.max_seconds or float("inf"))
    if seconds > longest:
        raise ManifestError(
            f"utterance {utterance.id!r} has {seconds:.1f} s, but the model takes {longest:g} s; "
            "leave it out of the set"
        )
    return waveform
