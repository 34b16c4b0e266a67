"""Silero's detector as it is served finds what silero-vad itself finds, to the sample."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from auricle import audio
from auricle.audio import Waveform
from auricle.build import families
from auricle.build.checkpoint import silero
from auricle.build.families import Options
from auricle.build.repository.populate import Deployment, populate
from auricle.client.bench import workload
from auricle.serve.backend.local import load_detector
from auricle.serve.detector import DetectorPipeline
from auricle.serve.options import DecodingOptions
from auricle.serve.vad import SpeechOptions
from auricle.spec import Choices
from tests.conftest import ROOT

silero_vad = pytest.importorskip("silero_vad", reason="pip install 'auricle[dev]'")

pytestmark = pytest.mark.onnx

REAL = os.environ.get("AURICLE_REAL_SPEECH", "")
OPTIONS = [
    SpeechOptions(),
    SpeechOptions(threshold=0.3, speech_pad_ms=200),
    SpeechOptions(min_speech_duration_ms=0, min_silence_duration_ms=300, speech_pad_ms=150),
    SpeechOptions(max_speech_duration_s=2),
]


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> DetectorPipeline:
    built = families.load("silero_vad").build(silero.Installed().find(), Options())
    repository = tmp_path_factory.mktemp("repository")
    populate(built, "vad", repository, Deployment())
    return load_detector(repository / "vad" / "1", Choices(decoding="speech_timestamps"))


@pytest.fixture(scope="module")
def recordings(test_wavs: Path) -> dict[str, Waveform]:
    """Sentences of a synthetic voice, alone and one behind the other."""
    sentences = {path.stem: audio.load(path, 16000) for path in sorted(test_wavs.glob("*.wav"))}
    joined = workload.record(sentences, 60, 16000).waveform
    noise = np.random.default_rng(0).normal(0, 0.003, len(joined)).astype(np.float32)
    return {**dict(list(sentences.items())[:8]), "minute": joined, "noisy minute": joined + noise}


def by_silero(waveform: Waveform, options: SpeechOptions) -> list[tuple[int, int]]:
    """By its plain model, one window a run."""
    import torch

    model = silero_vad.load_silero_vad(onnx=True)
    found = silero_vad.get_speech_timestamps(torch.from_numpy(waveform), model, **vars(options))
    return [(each["start"], each["end"]) for each in found]


def ours(
    detector: DetectorPipeline, waveforms: Sequence[Waveform], options: SpeechOptions
) -> list[list[tuple[int, int]]]:
    asked = [DecodingOptions("speech_timestamps", speech=options)] * len(waveforms)
    return [
        [(round(part.start * 16000), round(part.end * 16000)) for part in heard.parts or ()]
        for heard in detector.transcribe(waveforms, asked)
    ]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_segments_are_those_of_silero_vad(
    options: SpeechOptions, detector: DetectorPipeline, recordings: dict[str, Waveform]
) -> None:
    found = ours(detector, list(recordings.values()), options)
    expected = [by_silero(waveform, options) for waveform in recordings.values()]
    assert found == expected
    assert len(expected[-1]) > 10


@pytest.mark.skipif(not REAL, reason="AURICLE_REAL_SPEECH names no folder with recordings")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_segments_of_real_voices_are_those_of_silero_vad(
    options: SpeechOptions, detector: DetectorPipeline
) -> None:
    files = sorted(path for path in Path(REAL).iterdir() if path.suffix in (".wav", ".flac"))
    waveforms = [audio.load(path, 16000) for path in files]
    found = ours(detector, waveforms, options)
    assert found == [by_silero(waveform, options) for waveform in waveforms]
    assert all(found)


def test_silence_has_no_segment(detector: DetectorPipeline) -> None:
    (heard,) = detector.transcribe([np.zeros(32000, np.float32)])
    assert (heard.text, heard.parts) == ("", ())


def test_the_package_itself_is_not_imported_by_the_build() -> None:
    assert silero.find_vad("auto") == Path(silero_vad.__file__).parent / "data" / silero.FILE_NAME
    source = (ROOT / "src" / "auricle" / "build" / "checkpoint" / "silero.py").read_text()
    assert "import silero_vad" not in source
