"""A model decodes speech here as it would when it is served."""

import dataclasses
from pathlib import Path

import pytest

from auricle import audio
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options, load
from auricle.build.repository import populate
from auricle.client.manifests import Utterance, read_text, read_wav_scp
from auricle.errors import AudioError, ManifestError
from auricle.gate.decoding import Decoded, Model, decode
from auricle.serve.backend.local import load_streaming_pipeline
from auricle.serve.stream import Chunk
from tests.build import tiny_streaming
from tests.gate.conftest import SPEECH

pytestmark = pytest.mark.onnx

UTTERANCES = read_wav_scp(SPEECH / "wav.scp")


def silent(done: int) -> None:
    pass


@pytest.fixture(scope="module")
def decoded(plain: Model) -> Decoded:
    return decode(plain, UTTERANCES, 2, silent)


def test_the_shipped_speech_is_understood(decoded: Decoded) -> None:
    references = read_text(SPEECH / "text")
    right = [name for name, text in decoded.transcripts.items() if text == references[name]]
    assert len(right) == 39  # of 40: docs/benchmarks.md has 0.56 % WER, one word of 177


def test_the_number_of_threads_changes_nothing(plain: Model, decoded: Decoded) -> None:
    assert decode(plain, UTTERANCES, 1, silent).transcripts == decoded.transcripts


def test_seconds_are_those_of_the_audio(decoded: Decoded) -> None:
    assert decoded.audio_s == pytest.approx(104.49, abs=0.01)


def test_progress_is_told_of_every_utterance(plain: Model) -> None:
    told: list[int] = []
    decode(plain, UTTERANCES[:6], 2, told.append)
    assert told == [4, 2]


def test_a_missing_file_is_named(plain: Model, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"absent\.wav"):
        decode(plain, [*UTTERANCES[:4], Utterance("a", tmp_path / "absent.wav")], 2, silent)


def test_an_utterance_that_is_too_long_is_named(plain: Model) -> None:
    choices = dataclasses.replace(plain.choices, max_audio_seconds=1.0)
    with pytest.raises(ManifestError, match=f"'{UTTERANCES[0].id}' has .* takes 1 s"):
        decode(dataclasses.replace(plain, choices=choices), UTTERANCES[:1], 1, silent)


@pytest.fixture
def live(tmp_path: Path) -> Model:
    folder = tiny_streaming.write_transducer(tmp_path / "checkpoint")
    built = load("icefall-transducer").build(Checkpoint(folder, "tiny"), Options())
    populate.populate(built, "live", tmp_path, populate.Deployment())
    choices = populate.choose(built, populate.Deployment())
    return Model("live", tmp_path / "live" / "1", choices)


def test_a_model_of_streams_hears_each_utterance_as_one(live: Model) -> None:
    found = decode(live, UTTERANCES[:6], 2, silent)
    pipeline = load_streaming_pipeline(live.folder, live.choices)
    for utterance in UTTERANCES[:6]:
        assert isinstance(utterance.source, Path)
        chunk = Chunk(audio.load(utterance.source, 16000), is_last=True)
        _, (partial,) = pipeline.step([pipeline.start()], [chunk])
        assert found.transcripts[utterance.id] == partial.text
    assert all(found.transcripts.values())
