"""Twenty minutes of audio say what their sentences say, and when, in bounded memory."""

import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auricle import audio
from auricle.audio import Waveform
from auricle.build import families
from auricle.build.checkpoint import Checkpoint, silero
from auricle.build.families import Options
from auricle.build.families.silero_vad import add_vad
from auricle.build.repository.populate import Deployment, choose, populate
from auricle.client.bench import workload
from auricle.serve.backend.local import load_pipeline
from auricle.serve.options import speech_options
from auricle.serve.pipeline import Pipeline
from auricle.serve.tokens import Transcript, Word

pytestmark = pytest.mark.onnx

MINUTES = 20
RATE = 16000


@pytest.fixture(scope="module")
def sentences(test_wavs: Path) -> dict[str, Waveform]:
    return {path.stem: audio.load(path, RATE) for path in sorted(test_wavs.glob("*.wav"))}


@pytest.fixture(scope="module")
def recording(sentences: dict[str, Waveform]) -> workload.Recording:
    return workload.record(sentences, 60 * MINUTES, RATE)


@pytest.fixture(scope="module")
def serve(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pipeline]:
    def load(family: str) -> Pipeline:
        folder = assets / family.replace("_", "-")
        plain = families.load(family).build(Checkpoint(folder, family), Options())
        built = add_vad(plain, silero.find_vad("auto"), Options())
        repository = tmp_path_factory.mktemp(family)
        populate(built, "model", repository, Deployment())
        return load_pipeline(repository / "model" / "1", choose(built, Deployment()))

    return load


def hear_long(pipeline: Pipeline, waveform: Waveform) -> Transcript:
    options = replace(pipeline.defaults, speech=speech_options(pipeline.choices))
    (heard,) = pipeline.transcribe([waveform], [options])
    return heard


def words_between(words: list[Word], start: float, end: float) -> list[Word]:
    return [word for word in words if start <= (word.start or 0) < end]


@pytest.mark.parametrize("family", ["icefall_transducer"])
def test_twenty_minutes_are_heard_as_their_sentences(
    family: str,
    serve: Callable[[str], Pipeline],
    sentences: dict[str, Waveform],
    recording: workload.Recording,
) -> None:
    pipeline = serve(family)
    alone = dict(zip(sentences, pipeline.transcribe(list(sentences.values())), strict=True))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    whole = hear_long(pipeline, recording.waveform)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    different = 0
    for name, first in zip(recording.names, recording.starts, strict=True):
        start = first / RATE
        end = start + len(sentences[name]) / RATE
        said = words_between(whole.words, start - 0.2, end + 0.2)
        expected = alone[name].words
        if [word.text for word in said] != [word.text for word in expected]:
            different += 1
            continue
        for word, other in zip(said, expected, strict=True):
            assert abs((word.start or 0) - start - (other.start or 0)) <= 0.2
    assert different <= 0.01 * len(recording.names)
    assert grown < 3 * recording.waveform.nbytes


def test_the_length_of_a_recording_costs_no_memory_beyond_its_own(
    serve: Callable[[str], Pipeline], recording: workload.Recording
) -> None:
    """What is run at once is bounded by what a worker hears, not by the recording."""
    pipeline = serve("icefall_transducer")
    longest: list[float] = []
    run = pipeline.runner.run

    class Watching:
        def run(self, graph: str, batches: object) -> object:
            if graph == "encoder":
                samples = sum(batch["WAV_LENS"].sum() for batch in batches)  # type: ignore[attr-defined]
                longest.append(float(samples) / RATE)
            return run(graph, batches)  # type: ignore[arg-type]

    pipeline.runner = Watching()  # type: ignore[assignment]
    hear_long(pipeline, recording.waveform)
    assert len(longest) > 1
    assert max(longest) <= pipeline.choices.max_batch_seconds
    assert np.sum(longest) < len(recording.waveform) / RATE
