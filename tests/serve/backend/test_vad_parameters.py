import dataclasses

import pytest

from auricle import wire
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.parameters import Menu
from auricle.serve.backend.values import Value
from auricle.serve.vad import SpeechOptions
from auricle.spec import Choices, PipelineSpec, Vad
from tests.conftest import TRANSDUCER_SPEC

VAD = Vad(16000, 512, 64, 128)
WITH = dataclasses.replace(TRANSDUCER_SPEC, vad=VAD)
ALONE = dataclasses.replace(WITH, head="vad")
CHOICES = Choices(vad_threshold=0.4, vad_speech_pad_ms=150)
CHOSEN = SpeechOptions(threshold=0.4, speech_pad_ms=150)


def read(spec: PipelineSpec, **parameters: Value) -> SpeechOptions | None:
    choices = CHOICES if spec.head != "vad" else dataclasses.replace(
        CHOICES, decoding="speech_timestamps"
    )  # fmt: skip
    return Menu(spec, choices, ["<blank>"]).read(parameters).speech


def refusal(spec: PipelineSpec, **parameters: Value) -> str:
    with pytest.raises(UnfitRequestError) as raised:
        read(spec, **parameters)
    assert raised.value.reason == "vad"
    return str(raised.value)


@pytest.mark.parametrize("asked", [True, "true", "1", 1, 1.0, "on", "YES"])
def test_audio_is_cut_where_a_request_asks(asked: Value) -> None:
    assert read(WITH, asr_vad=asked) == CHOSEN


@pytest.mark.parametrize("spec", [WITH, TRANSDUCER_SPEC], ids=["with", "without"])
@pytest.mark.parametrize("asked", [False, "false", 0, None])
def test_audio_is_whole_where_it_does_not(spec: PipelineSpec, asked: Value) -> None:
    assert read(spec) is read(spec, asr_vad=asked) is None


def test_a_detector_needs_not_be_asked() -> None:
    assert read(ALONE) == read(ALONE, asr_vad=True) == CHOSEN
    assert refusal(ALONE, asr_vad=False) == "asr_vad is False, but this model does nothing else"


def test_a_model_without_a_detector_says_how_to_get_one() -> None:
    assert "without a detector of speech; build it with --vad auto" in refusal(
        TRANSDUCER_SPEC, asr_vad="on"
    )


def test_what_is_neither_yes_nor_no_is_refused() -> None:
    assert refusal(WITH, asr_vad="silero") == "asr_vad is 'silero'; give true or false"


def test_a_request_says_what_speech_is() -> None:
    found = read(
        WITH,
        asr_vad=True,
        asr_vad_threshold="0.6",
        asr_vad_min_speech_duration_ms=100,
        asr_vad_min_silence_duration_ms=500.0,
        asr_vad_speech_pad_ms=0,
        asr_vad_max_speech_duration_s=12,
    )
    assert found == SpeechOptions(0.6, 100, 500, 0, 12)


@pytest.mark.parametrize(
    ("name", "asked", "bounds"),
    [
        (wire.ASR_VAD_THRESHOLD, 1.1, "0 to 1"),
        (wire.ASR_VAD_THRESHOLD, "high", "0 to 1"),
        (wire.ASR_VAD_THRESHOLD, None, "0 to 1"),
        (wire.ASR_VAD_SPEECH_PAD_MS, -1, "0 to 60000"),
        (wire.ASR_VAD_SPEECH_PAD_MS, "nan", "0 to 60000"),
        (wire.ASR_VAD_MAX_SPEECH_DURATION_S, 0, "1 to 86400"),
        (wire.ASR_VAD_MAX_SPEECH_DURATION_S, "inf", "1 to 86400"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(name: str, asked: Value, bounds: str) -> None:
    assert refusal(WITH, asr_vad=True, **{name: asked}).startswith(f"{name} is ")
    assert refusal(WITH, asr_vad=True, **{name: asked}).endswith(f"give a number from {bounds}")


def test_without_a_detector_its_numbers_are_unknown() -> None:
    with pytest.raises(UnfitRequestError) as raised:
        read(TRANSDUCER_SPEC, asr_vad_threshold=0.5)
    assert raised.value.reason == "unknown_parameter"
