"""A recording that is too long is heard as its pieces are, by every family."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auricle import audio
from auricle.audio import Waveform
from auricle.build.checkpoint import silero
from auricle.build.families import Built, Options
from auricle.build.families.silero_vad import add_vad
from auricle.build.repository.populate import Deployment, choose, populate
from auricle.client.bench import workload
from auricle.serve.backend.local import load_pipeline
from auricle.serve.long_audio import merge
from auricle.serve.options import DecodingOptions, speech_options
from auricle.serve.pipeline import Pipeline
from auricle.serve.tokens import Transcript
from auricle.serve.vad import Span
from auricle.spec import Choices
from tests.families.checkpoints import OFFLINE

pytestmark = pytest.mark.onnx

RATE = 16000
LONGEST = 5.0  # seconds that the models take whole; the tiny Whispers' window, too
WHISPERS = [form for form in OFFLINE if form.startswith("whisper")]
Serve = Callable[..., Pipeline]


@pytest.fixture(scope="module", params=OFFLINE)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def serve(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    with_vad = add_vad(built, silero.find_vad("auto"), Options())
    repository = tmp_path_factory.mktemp("repository")
    populate(with_vad, "model", repository, Deployment())
    made: Choices = choose(with_vad, Deployment())

    def load(**changes: float) -> Pipeline:
        choices = replace(made, max_audio_seconds=LONGEST, **changes)  # type: ignore[arg-type]
        return load_pipeline(repository / "model" / "1", choices)

    return load


@pytest.fixture(scope="module")
def recording(test_wavs: Path) -> Waveform:
    sentences = {path.stem: audio.load(path, RATE) for path in sorted(test_wavs.glob("*.wav"))}
    return workload.record(sentences, 30, RATE).waveform


def ask(pipeline: Pipeline, **changes: object) -> DecodingOptions:
    speech = speech_options(pipeline.choices)
    return replace(pipeline.defaults, speech=speech, **changes)  # type: ignore[arg-type]


def hear(pipeline: Pipeline, waveform: Waveform, **changes: object) -> Transcript:
    (heard,) = pipeline.transcribe([waveform], [ask(pipeline, **changes)])
    return heard


def cut(pipeline: Pipeline, waveform: Waveform) -> list[Span]:
    assert pipeline.recordings, "a model with a detector hears recordings"
    speech = replace(speech_options(pipeline.choices), max_speech_duration_s=LONGEST)
    spans = pipeline.recordings.detector.find(waveform, speech)
    return list(merge(spans, LONGEST * RATE) if pipeline.long_form else spans)


def words(transcript: Transcript) -> list[tuple[str, float | None]]:
    return [(word.text, word.start) for word in transcript.words]


def test_what_is_cut_says_what_its_pieces_say(serve: Serve, recording: Waveform) -> None:
    pipeline = serve()
    spans = cut(pipeline, recording)
    whole = hear(pipeline, recording)
    expected = []
    for span in spans:
        options = replace(pipeline.defaults, timestamps=pipeline.long_form is not None)
        piece = recording[span.start : span.end]
        (alone,) = pipeline.transcribe([piece], [_settled(pipeline, options, whole)])
        start = span.start / RATE
        expected += [(text, None if at is None else at + start) for text, at in words(alone)]
    assert len(spans) > 1
    assert all(span.end - span.start <= LONGEST * RATE for span in spans)
    assert words(whole) == expected
    assert whole.text
    assert whole.parts


def _settled(pipeline: Pipeline, options: DecodingOptions, whole: Transcript) -> DecodingOptions:
    """The language of the first window is that of all."""
    return pipeline.long_form.settle(options, [whole]) if pipeline.long_form else options


def test_workers_and_neighbours_change_nothing(serve: Serve, recording: Waveform) -> None:
    alone = hear(serve(vad_workers=1), recording)
    several = serve(vad_workers=2, max_batch_seconds=7.0)
    short = recording[: 2 * RATE]
    options = [ask(several), several.defaults, ask(several)]
    first, beside, second = several.transcribe([recording, short, recording], options)
    assert first == second == alone
    assert beside == several.transcribe([short])[0]


def test_silence_says_nothing(serve: Serve) -> None:
    heard = hear(serve(), np.zeros(int(3 * LONGEST * RATE), np.float32))
    assert (heard.text, heard.words, heard.parts) == ("", [], ())


@pytest.mark.parametrize("form", WHISPERS, scope="module")
def test_a_whisper_s_passages_are_parts_within_their_windows(
    serve: Serve, recording: Waveform
) -> None:
    pipeline = serve()
    whole = hear(pipeline, recording)
    assert whole.parts
    for part in whole.parts:
        assert any(
            span.start / RATE <= part.start <= part.end <= span.end / RATE + 1e-6
            for span in cut(pipeline, recording)
        )
    starts = [part.start for part in whole.parts]
    assert starts == sorted(starts)
