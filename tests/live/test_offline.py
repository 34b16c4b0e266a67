"""The laws of offline recognition on a real tritonserver, and sherpa-onnx's word for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sherpa_onnx
import tritonclient.grpc as kserve

from auricle import audio as files
from auricle.audio import Waveform
from auricle.client.manifests import read_text
from auricle.server import Server
from tests.live.asking import Asker, audio, results, symbols

pytestmark = pytest.mark.triton

MODELS = ("demo", "demo-bls", "demo-ctc")
REAL_SPEECH = os.environ.get("AURICLE_REAL_SPEECH")


@pytest.fixture(scope="session")
def client(demo_server: Server) -> Iterator[kserve.InferenceServerClient]:
    with kserve.InferenceServerClient(demo_server.grpc_address) as connected:
        yield connected


@pytest.fixture
def asker(client: kserve.InferenceServerClient, request: pytest.FixtureRequest) -> Asker:
    return Asker(client, request.param)


@pytest.fixture(scope="session")
def utterances(test_wavs: Path) -> dict[str, Waveform]:
    return {
        name: files.load(test_wavs / f"{name}.wav", 16000) for name in read_text(test_wavs / "text")
    }


@pytest.fixture(scope="session")
def recognizers(assets: Path) -> dict[str, sherpa_onnx.OfflineRecognizer]:
    """sherpa-onnx on the same files, by the name of our model."""
    folder, ctc = assets / "icefall-transducer", assets / "icefall-ctc"
    roles = {
        role: str(next(folder.glob(f"{role}-*.onnx"))) for role in ("encoder", "decoder", "joiner")
    }
    transducer = sherpa_onnx.OfflineRecognizer.from_transducer(
        **roles, tokens=str(folder / "tokens.txt"), num_threads=1
    )
    return {
        "demo": transducer,
        "demo-bls": transducer,
        "demo-ctc": sherpa_onnx.OfflineRecognizer.from_zipformer_ctc(
            str(ctc / "model.onnx"), str(ctc / "tokens.txt"), num_threads=1
        ),
    }


def sherpa_symbols(recognizer: sherpa_onnx.OfflineRecognizer, waveform: Waveform) -> list[str]:
    stream = recognizer.create_stream()
    stream.accept_waveform(16000, waveform)
    recognizer.decode_stream(stream)
    return [symbol.replace(" ", "▁") for symbol in stream.result.tokens]


@pytest.mark.parametrize("asker", MODELS, indirect=True)
def test_every_utterance_gives_the_tokens_of_sherpa_onnx(
    asker: Asker,
    utterances: dict[str, Waveform],
    recognizers: dict[str, sherpa_onnx.OfflineRecognizer],
) -> None:
    found = asker.transcribe_together(list(utterances.values()))
    expected = [sherpa_symbols(recognizers[asker.model], one) for one in utterances.values()]
    assert [symbols(result) for result in found] == expected


@pytest.mark.skipif(not REAL_SPEECH, reason="AURICLE_REAL_SPEECH names no folder of real speech")
@pytest.mark.parametrize("asker", MODELS, indirect=True)
def test_real_speech_gives_the_tokens_of_sherpa_onnx(
    asker: Asker, recognizers: dict[str, sherpa_onnx.OfflineRecognizer]
) -> None:
    paths = [path for path in Path(REAL_SPEECH or "").iterdir() if path.suffix in {".flac", ".wav"}]
    waveforms = [files.load(path, 16000) for path in paths]
    found = asker.transcribe_together(waveforms)
    expected = [sherpa_symbols(recognizers[asker.model], one) for one in waveforms]
    assert [symbols(result) for result in found] == expected


@pytest.mark.parametrize("asker", MODELS, indirect=True)
def test_batch_equals_singles(asker: Asker, utterances: dict[str, Waveform]) -> None:
    waveforms = list(utterances.values())
    singles = [asker.transcribe(waveform) for waveform in waveforms]
    assert results(asker.send(audio(waveforms)).result(60)) == singles
    assert asker.transcribe_together(waveforms) == singles


@pytest.mark.parametrize("asker", MODELS, indirect=True)
def test_padding_changes_nothing(asker: Asker, utterances: dict[str, Waveform]) -> None:
    waveforms = list(utterances.values())[:8]
    quiet = results(asker.send(audio(waveforms)).result(60))
    assert results(asker.send(audio(waveforms, filler=np.nan)).result(60)) == quiet


def test_in_process_equals_bls(
    client: kserve.InferenceServerClient, utterances: dict[str, Waveform]
) -> None:
    waveforms = list(utterances.values())
    in_process, by_bls = (
        Asker(client, name).transcribe_together(waveforms) for name in ("demo", "demo-bls")
    )
    assert in_process == by_bls


@pytest.mark.parametrize("asker", MODELS, indirect=True)
@pytest.mark.parametrize("num_samples", [1, 79, 80, 400, 1600])
def test_the_shortest_audio_is_answered(asker: Asker, num_samples: int) -> None:
    result = asker.transcribe(np.full(num_samples, 0.1, np.float32))
    assert result.audio_seconds == round(num_samples / 16000, 3)


@pytest.mark.parametrize("asker", ["demo"], indirect=True)
def test_lengths_may_be_left_out(asker: Asker, utterances: dict[str, Waveform]) -> None:
    waveform = next(iter(utterances.values()))
    (whole,) = results(asker.send({"WAV": waveform[None]}).result(60))
    assert whole == asker.transcribe(waveform)


@pytest.mark.parametrize("asker", ["demo"], indirect=True)
def test_words_lie_inside_the_audio_in_order(asker: Asker, utterances: dict[str, Waveform]) -> None:
    for waveform in utterances.values():
        result = asker.transcribe(waveform)
        starts = [word.start or 0.0 for word in result.words]
        assert starts == sorted(starts)
        assert all(0 <= start <= len(waveform) / 16000 for start in starts)
        assert " ".join(word.text for word in result.words) == result.text
        assert all(0 < (word.confidence or 0) <= 1 for word in result.words)


@pytest.mark.parametrize("asker", ["demo"], indirect=True)
def test_only_what_is_named_comes_back(asker: Asker, utterances: dict[str, Waveform]) -> None:
    waveform = next(iter(utterances.values()))
    answer = asker.send(audio([waveform]), outputs=("TRANSCRIPTS",)).result(60)
    assert answer.as_numpy("RESULT") is None
    assert answer.as_numpy("TRANSCRIPTS").shape == (1, 1)
