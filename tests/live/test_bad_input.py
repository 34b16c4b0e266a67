"""Each bad request gets a sentence of its own, and its neighbours are served."""

import contextlib
import http.client
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options, load
from auricle.build.repository.populate import Deployment, populate
from auricle.server import Server
from tests.build import tiny
from tests.live import models
from tests.live.asking import Asker, audio, results
from tests.live.conftest import StartServer

pytestmark = pytest.mark.triton

SPEECH = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
Inputs = dict[str, NDArray[np.generic]]


def lasting(seconds: float) -> NDArray[np.float32]:
    return np.zeros(int(seconds * 16000), np.float32)


def spoilt(value: float) -> Inputs:
    waveform = SPEECH.copy()
    waveform[100] = value
    return audio([waveform])


def with_lens(length: int) -> Inputs:
    return {"WAV": SPEECH[None], "WAV_LENS": np.array([[length]], np.int32)}


BAD: dict[str, tuple[Inputs, str]] = {
    "no samples": (with_lens(0), "the audio is empty"),
    "no tensor": ({"WAV": np.zeros((1, 0), np.float32)}, "the audio is empty"),
    "nan": (spoilt(np.nan), "NaN or infinite"),
    "infinity": (spoilt(-np.inf), "NaN or infinite"),
    "int16 scale": (audio([SPEECH * 32768]), "int16 scale; divide by 32768"),
    "longer than WAV": (with_lens(8001), "WAV_LENS is 8001, but WAV has 8000 samples"),
    "negative": (with_lens(-1), "WAV_LENS is -1"),
    "too long": (
        audio([lasting(60.1)]),
        r"961600 samples\), but .* at most 60 s \(max_audio_seconds",
    ),
    "wrong dtype": ({"WAV": SPEECH[None].astype(np.float64)}, "WAV.*FP32|FP64.*WAV"),
    "three axes": ({"WAV": SPEECH[None, None]}, "unexpected shape for input 'WAV'"),
}


@pytest.fixture(scope="module")
def asker(demo_server: Server) -> Iterator[Asker]:
    with kserve.InferenceServerClient(demo_server.grpc_address) as client:
        yield Asker(client, "demo")


def error_of(asker: Asker, inputs: Inputs, **options: dict[str, str | int]) -> str:
    with pytest.raises(InferenceServerException) as caught:
        asker.send(inputs, **options).result(60)  # type: ignore[arg-type]
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    return str(caught.value.message())


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_refused_with_a_sentence(asker: Asker, kind: str) -> None:
    inputs, message = BAD[kind]
    assert re.search(message, error_of(asker, inputs))


def test_a_bad_request_fails_alone(asker: Asker) -> None:
    alone = asker.transcribe(SPEECH)
    sent = [(asker.send(inputs), asker.send(audio([SPEECH]))) for inputs, _ in BAD.values()] * 3
    for bad, good in sent:
        assert isinstance(bad.exception(60), InferenceServerException)
        assert results(good.result(60)) == [alone]


def test_what_cannot_be_read_at_all_fails_alone(demo_server: Server) -> None:
    """A parameter that is no UTF-8: Triton hands it on, and Python cannot read it."""
    wav = {"name": "WAV", "datatype": "FP32", "shape": [1, 8000], "data": SPEECH.tolist()}
    outputs = [{"name": "TRANSCRIPTS"}]
    good = json.dumps({"inputs": [wav], "outputs": outputs, "parameters": {"note": "@"}}).encode()
    bad = good.replace(b"@", b"\xff")

    def post(body: bytes) -> int:
        connection = http.client.HTTPConnection(demo_server.http_address.split("//")[-1])
        with contextlib.closing(connection):
            connection.request("POST", "/v2/models/demo/infer", body)
            return connection.getresponse().status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(post, [good, good, good, bad, good, good, good, good]))
    assert statuses == [200, 200, 200, 500, 200, 200, 200, 200]


def test_another_rate_is_refused_with_both_rates(asker: Asker) -> None:
    message = error_of(asker, audio([SPEECH]), parameters={"asr_sample_rate": 8000})
    assert "8000 Hz" in message
    assert "16000 Hz" in message


@pytest.mark.parametrize("rate", [16000, "16000", 16000.0])
def test_the_right_rate_is_accepted(asker: Asker, rate: float | str) -> None:
    answer = asker.send(audio([SPEECH]), parameters={"asr_sample_rate": rate})
    assert results(answer.result(60)) == [asker.transcribe(SPEECH)]


def test_an_unknown_option_is_refused_not_ignored(asker: Asker) -> None:
    message = error_of(asker, audio([SPEECH]), parameters={"asr_beem": 4})
    assert "asr_beem" in message
    assert "asr_sample_rate" in message


def test_an_unknown_model_is_named(asker: Asker) -> None:
    with pytest.raises(InferenceServerException, match="'dema' is not found"):
        Asker(asker.client, "dema").send(audio([SPEECH])).result(60)


@pytest.mark.parametrize("max_audio_seconds", [None, "60"])
def test_where_positions_end_no_setting_is_named(
    max_audio_seconds: str | None, start_server: StartServer, tmp_path: Path
) -> None:
    folder = tiny.write_ctc(tmp_path / "checkpoint", tiny.Encoder(is_ctc=True, max_frames=500))
    built = load("icefall_ctc").build(Checkpoint(folder, "tiny"), Options())
    populate(built, "short", tmp_path / "repository", Deployment())
    if max_audio_seconds:
        models.choose(tmp_path / "repository" / "short" / "config.pbtxt",
                      max_audio_seconds=max_audio_seconds)  # fmt: skip
    server = start_server(tmp_path / "repository")
    with kserve.InferenceServerClient(server.grpc_address) as client:
        sentence = error_of(Asker(client, "short"), audio([lasting(11)]))
    assert "at most 9.76 s (its graph has no positions beyond" in sentence
    assert "max_audio_seconds" not in sentence
