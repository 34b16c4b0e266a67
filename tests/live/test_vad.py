"""Long audio and the detector of speech on a real tritonserver."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve
from tritonclient.utils import InferenceServerException

from auricle import audio as files
from auricle.audio import Waveform
from auricle.build import families
from auricle.build.checkpoint import Checkpoint, silero
from auricle.build.families import Options
from auricle.build.families.silero_vad import add_vad
from auricle.build.repository.populate import Deployment, populate
from auricle.client.bench import workload
from auricle.serve.backend.local import load_detector, load_pipeline
from auricle.serve.vad import SpeechOptions
from auricle.server import Server
from auricle.spec import Choices
from tests.build import tiny_whisper
from tests.live.asking import Asker, audio, results
from tests.live.conftest import StartServer
from tests.live.models import choose

pytestmark = pytest.mark.triton

MODELS = {"demo": "onnxruntime", "demo-bls": "bls"}
LONGEST = 30  # seconds that these models take whole
CUTS = SpeechOptions(0.5, 0, 300, 250)  # as config.pbtxt says of models built with --vad


@pytest.fixture(scope="module")
def repository(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("repository")
    folder = assets / "icefall-transducer"
    plain = families.load("icefall_transducer").build(Checkpoint(folder, "demo"), Options())
    built = add_vad(plain, silero.find_vad("auto"), Options())
    for name, runner in MODELS.items():
        populate(built, name, repository, Deployment(runner))  # type: ignore[arg-type]
        choose(repository / name / "config.pbtxt", max_audio_seconds=str(LONGEST))
    populate(plain, "plain", repository, Deployment())
    folder = tiny_whisper.write_optimum(tmp_path_factory.mktemp("whisper") / "checkpoint")
    whisper = families.load("whisper").build(Checkpoint(folder, "tiny"), Options())
    populate(add_vad(whisper, silero.find_vad("auto"), Options()), "whisper", repository,
             Deployment())  # fmt: skip
    detector = families.load("silero_vad").build(silero.Installed().find(), Options())
    populate(detector, "silero", repository, Deployment())
    return repository


@pytest.fixture(scope="module")
def server(start_server: StartServer, repository: Path) -> Server:
    return start_server(repository)


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[kserve.InferenceServerClient]:
    with kserve.InferenceServerClient(server.grpc_address) as connected:
        yield connected


@pytest.fixture(scope="module")
def sentences(test_wavs: Path) -> dict[str, Waveform]:
    return {path.stem: files.load(path, 16000) for path in sorted(test_wavs.glob("*.wav"))}


@pytest.fixture(scope="module")
def recording(sentences: dict[str, Waveform]) -> workload.Recording:
    return workload.record(sentences, 180, 16000)


@pytest.mark.parametrize("model", MODELS)
def test_a_long_recording_says_what_its_sentences_say(
    client: kserve.InferenceServerClient,
    model: str,
    recording: workload.Recording,
    sentences: dict[str, Waveform],
) -> None:
    asker = Asker(client, model)
    alone = dict(zip(sentences, asker.transcribe_together(list(sentences.values())), strict=True))
    whole = asker.transcribe(recording.waveform, asr_vad=True)
    assert whole.text == " ".join(alone[name].text for name in recording.names)
    assert whole.audio_seconds == round(len(recording.waveform) / 16000, 3)
    expected = [
        recording.starts[number] / 16000 + (word.start or 0)
        for number, name in enumerate(recording.names)
        for word in alone[name].words
    ]
    assert [word.start for word in whole.words] == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("model", MODELS)
def test_segments_lie_apart_with_their_words(
    client: kserve.InferenceServerClient, model: str, recording: workload.Recording
) -> None:
    segments = Asker(client, model).transcribe(recording.waveform, asr_vad=True).segments
    assert len(segments) > len(recording.names) / 2
    assert [segment.id for segment in segments] == list(range(len(segments)))
    times = [time for each in segments for time in (each.start or 0.0, each.end or 0.0)]
    assert times == sorted(times)
    for segment in segments:
        assert segment.text == " ".join(word.text for word in segment.words)
        for word in segment.words:
            assert (segment.start or 0) <= (word.start or 0) <= (segment.end or 0)


@pytest.mark.parametrize("model", MODELS)
def test_short_audio_is_heard_whole(
    client: kserve.InferenceServerClient, model: str, sentences: dict[str, Waveform]
) -> None:
    asker = Asker(client, model)
    for waveform in list(sentences.values())[:4]:
        assert asker.transcribe(waveform, asr_vad=True) == asker.transcribe(waveform)


def test_long_and_short_requests_share_a_server(
    client: kserve.InferenceServerClient,
    recording: workload.Recording,
    sentences: dict[str, Waveform],
) -> None:
    asker = Asker(client, "demo")
    short = list(sentences.values())[:12]
    asked = [(recording.waveform, {"asr_vad": "true"}), *((each, {}) for each in short)]
    alone = [asker.transcribe(waveform, **parameters) for waveform, parameters in asked]
    assert asker.ask_together(asked) == alone


@pytest.mark.parametrize(
    ("model", "seconds", "parameters", "sentence"),
    [
        ("demo", 31, {}, r"at most 30 s \(max_audio_seconds .*\); cut it at pauses, or ask for"),
        (
            "demo",
            3601,
            {"asr_vad": "1"},
            r"at most 3600 s \(max_vad_seconds .*\); send it",
        ),
        ("plain", 61, {"asr_vad": "1"}, r"without a detector of speech; build it with --vad"),
        ("plain", 61, {}, r"at most 40\.\d+ s|at most 60 s"),
        ("silero", 1, {"asr_vad_threshold": 2.0}, r"asr_vad_threshold is 2.0; give a number from"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_what_to_do(
    client: kserve.InferenceServerClient,
    model: str,
    seconds: int,
    parameters: dict[str, str | float],
    sentence: str,
) -> None:
    waveform = np.zeros(seconds * 16000, np.float32)
    error = Asker(client, model).send(audio([waveform]), parameters).exception(60)
    assert isinstance(error, InferenceServerException)
    assert error.status() == "StatusCode.INVALID_ARGUMENT"
    with pytest.raises(InferenceServerException, match=sentence):
        raise error


def test_a_whisper_hears_a_recording_in_windows_of_speech(
    client: kserve.InferenceServerClient, recording: workload.Recording, repository: Path
) -> None:
    found = Asker(client, "whisper").transcribe(recording.waveform, asr_vad=True)
    pipeline = load_pipeline(repository / "whisper" / "1", Choices())
    options = replace(pipeline.defaults, speech=CUTS)
    (heard,) = pipeline.transcribe([recording.waveform], [options])
    assert (found.text, found.language) == (heard.text, heard.language)
    assert [(each.start, each.end, each.text) for each in found.segments] == [
        (round(part.start, 3), round(part.end, 3), part.transcript.text)
        for part in heard.parts or ()
    ]
    assert len(found.segments) > 1


def test_a_detector_says_where_somebody_speaks(
    client: kserve.InferenceServerClient, recording: workload.Recording, repository: Path
) -> None:
    (found,) = results(Asker(client, "silero").send(audio([recording.waveform])).result(60))
    choices = Choices(decoding="speech_timestamps")
    (heard,) = load_detector(repository / "silero" / "1", choices).transcribe([recording.waveform])
    assert [(each.start, each.end) for each in found.segments] == [
        (round(part.start, 3), round(part.end, 3)) for part in heard.parts or ()
    ]
    assert (found.text, {each.text for each in found.segments}) == ("", {""})
    assert len(found.segments) > 30


def test_silence_alone_has_no_segment(client: kserve.InferenceServerClient) -> None:
    silence = np.zeros(60 * 16000, np.float32)
    for model in ("silero", "demo"):
        found = Asker(client, model).transcribe(silence, asr_vad=True)
        assert (found.text, found.segments) == ("", ())
