"""The laws of offline recognition for every family on a real tritonserver, side by side."""

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve
from tritonclient.utils import InferenceServerException

from auricle import audio as files
from auricle import spec
from auricle.audio import Waveform
from auricle.build import families
from auricle.client import Client, Result
from auricle.client.manifests import read_text
from auricle.client.scoring import choose_unit, score
from auricle.client.transport import ProtocolName
from auricle.server import Server
from auricle.spec import DECODINGS
from tests.conftest import ROOT
from tests.live.asking import Asker, audio, results
from tests.live.models import FAMILIES

pytestmark = pytest.mark.triton

ALL = [f"{name}{suffix}" for name in FAMILIES for suffix in ("", "-bls")]
ENGLISH, MANDARIN = ROOT / "client" / "test_wavs", ROOT / "client" / "test_wavs_mandarin"
LANGUAGES = {"auto": 0, "zh": 3, "en": 4}
HOTWORDS = ["", "london", "北京 blue", "tokyo gardens"]
UNFIT = {
    "asr_decoding": "beam",
    "asr_language": "nobody",
    "asr_text_norm": "nobody",
    "asr_hotwords": "an-endless-hotword-of-a-great-many-tokens",
}


@pytest.fixture(scope="module")
def client(family_server: Server) -> Iterator[kserve.InferenceServerClient]:
    with kserve.InferenceServerClient(family_server.grpc_address) as connected:
        yield connected


@pytest.fixture
def asker(client: kserve.InferenceServerClient, request: pytest.FixtureRequest) -> Asker:
    return Asker(client, request.param)


@pytest.fixture(scope="module")
def waveforms() -> list[Waveform]:
    """Of 1 to 4 s, English and Mandarin in turn."""
    folders = [sorted(folder.glob("*.wav"))[:5] for folder in (ENGLISH, MANDARIN)]
    return [files.load(path, 16000) for pair in zip(*folders, strict=True) for path in pair]


def test_every_family_is_held_to_the_laws() -> None:
    words = {family for family, _ in FAMILIES.values()}
    assert words == set(families.names()) - {"silero_vad"}, "which says none: test_vad.py"


def test_all_of_them_start_within_a_minute(family_server: Server) -> None:
    assert family_server.ready_s < 60


@pytest.mark.parametrize(
    ("asker", "folder", "percent"),
    [
        ("transducer", ENGLISH, 8),
        ("ctc", ENGLISH, 8),
        ("wenet", ENGLISH, 8),
        ("sense", ENGLISH, 8),
        ("sense", MANDARIN, 12),
        ("paraformer", ENGLISH, 12),
        ("paraformer", MANDARIN, 12),
    ],
    indirect=["asker"],
)
def test_side_by_side_each_says_the_right_words(asker: Asker, folder: Path, percent: float) -> None:
    references = read_text(folder / "text")
    waveforms = [files.load(folder / f"{name}.wav", 16000) for name in references]
    texts = [result.text for result in asker.transcribe_together(waveforms)]
    unit = choose_unit(references.values())
    heard = score(references, dict(zip(references, texts, strict=True)), unit)
    assert heard.error_rate <= percent


@pytest.mark.parametrize("asker", ALL, indirect=True)
def test_batch_equals_singles(asker: Asker, waveforms: list[Waveform]) -> None:
    singles = [asker.transcribe(waveform) for waveform in waveforms]
    assert any(result.text for result in singles)
    assert results(asker.send(audio(waveforms)).result(60)) == singles
    assert asker.transcribe_together(waveforms) == singles


@pytest.mark.parametrize("asker", ALL, indirect=True)
def test_padding_changes_nothing(asker: Asker, waveforms: list[Waveform]) -> None:
    quiet = results(asker.send(audio(waveforms)).result(60))
    assert results(asker.send(audio(waveforms, filler=np.nan)).result(60)) == quiet


@pytest.mark.parametrize("name", FAMILIES)
def test_in_process_equals_bls(
    client: kserve.InferenceServerClient, name: str, waveforms: list[Waveform]
) -> None:
    in_process, by_bls = (
        Asker(client, model).transcribe_together(waveforms) for model in (name, f"{name}-bls")
    )
    assert in_process == by_bls


@pytest.mark.parametrize("asker", ALL, indirect=True)
@pytest.mark.parametrize("num_samples", [1, 79, 400, 1600])
def test_the_shortest_audio_is_answered(asker: Asker, num_samples: int) -> None:
    result = asker.transcribe(np.full(num_samples, 0.1, np.float32))
    assert result.audio_seconds == round(num_samples / 16000, 3)


@pytest.mark.parametrize("asker", ALL, indirect=True)
def test_silence_is_answered(asker: Asker) -> None:
    assert asker.transcribe(np.zeros(32000, np.float32)).audio_seconds == 2.0


@pytest.mark.parametrize("asker", ALL, indirect=True)
def test_times_lie_inside_the_audio_in_order(asker: Asker, waveforms: list[Waveform]) -> None:
    for waveform in waveforms:
        words = asker.transcribe(waveform).words
        times = [time for word in words for time in (word.start, word.end) if time is not None]
        assert times == sorted(times)
        assert all(0 <= time <= round(len(waveform) / 16000, 3) for time in times)
        assert all(0 < (word.confidence or 0) <= 1 for word in words)


@pytest.mark.parametrize("asker", ["paraformer", "contextual"], indirect=True)
def test_a_model_without_peaks_says_no_times(asker: Asker, waveforms: list[Waveform]) -> None:
    words = asker.transcribe(waveforms[0]).words
    assert {(word.start, word.end) for word in words} == {(None, None)}


@pytest.mark.parametrize("asker", ALL, indirect=True)
def test_a_bad_request_fails_alone(asker: Asker, waveforms: list[Waveform]) -> None:
    alone = asker.transcribe(waveforms[0])
    sent = [
        (asker.send(audio([waveforms[1]]), {name: value}), asker.send(audio([waveforms[0]])))
        for name, value in UNFIT.items()
    ] * 3
    for bad, good in sent:
        error = bad.exception(60)
        assert isinstance(error, InferenceServerException)
        assert error.status() == "StatusCode.INVALID_ARGUMENT"
        assert results(good.result(60)) == [alone]


@pytest.mark.parametrize("asker", ["contextual", "transducer"], indirect=True)
@pytest.mark.parametrize("words", ["[" * 60_000, "[" * 300_000, "z" * 60_000])
def test_one_callers_hotwords_fail_no_other_of_eight(
    asker: Asker, waveforms: list[Waveform], words: str
) -> None:
    alone = asker.transcribe(waveforms[0])
    asked = [{}, {}, {}, {"asr_hotwords": words}, {}, {}, {}, {}]
    sent = [asker.send(audio([waveforms[0]]), parameters) for parameters in asked]
    error = sent.pop(3).exception(60)
    assert isinstance(error, InferenceServerException)
    assert error.status() == "StatusCode.INVALID_ARGUMENT"
    assert len(str(error.message())) < 300
    assert [results(good.result(60)) for good in sent] == [[alone]] * 7


@pytest.mark.parametrize("asker", ALL, indirect=True)
def test_a_request_decodes_as_it_asks_among_others(
    asker: Asker, family_repository: Path, waveforms: list[Waveform]
) -> None:
    decodings = DECODINGS[spec.load(family_repository / asker.model / "1").head]
    asked = [(waveform, {"asr_decoding": name}) for waveform in waveforms for name in decodings]
    alone = [asker.transcribe(waveform, **parameters) for waveform, parameters in asked]
    assert asker.ask_together(asked) == alone


@pytest.mark.parametrize("asker", ["wenet", "wenet-bls"], indirect=True)
def test_a_decoding_makes_a_difference(asker: Asker, waveforms: list[Waveform]) -> None:
    greedy, best, chosen = (
        [asker.transcribe(waveform, **parameters).text for waveform in waveforms]
        for parameters in (
            {"asr_decoding": "greedy_search"},
            {"asr_decoding": "attention_rescoring"},
            {},
        )
    )
    assert greedy != best == chosen


@pytest.mark.parametrize("asker", ["sense", "sense-bls"], indirect=True)
def test_every_row_has_its_own_language(asker: Asker, waveforms: list[Waveform]) -> None:
    numbers = list(islice(cycle(LANGUAGES.values()), len(waveforms)))
    column = np.array(numbers, np.int32)[:, None]
    told = audio(waveforms) | {"LANGUAGE": column, "TEXT_NORM": np.full_like(column, 14)}
    rows = results(asker.send(told).result(60))
    singles = [
        asker.transcribe(waveform, asr_language=number, asr_text_norm="withitn")
        for waveform, number in zip(waveforms, numbers, strict=True)
    ]
    assert rows == singles


@pytest.mark.parametrize("asker", ["sense", "sense-bls"], indirect=True)
def test_languages_by_name_and_number_share_a_batch(
    asker: Asker, waveforms: list[Waveform]
) -> None:
    names = [{"asr_language": name} for name in LANGUAGES for _ in waveforms]
    numbers = [{"asr_language": str(number)} for number in LANGUAGES.values() for _ in waveforms]
    by_name, by_number = (
        asker.ask_together(list(zip(waveforms * len(LANGUAGES), asked, strict=True)))
        for asked in (names, numbers)
    )
    assert by_name == by_number
    ours = len(waveforms)
    assert by_name[:ours] != by_name[ours : 2 * ours]


@pytest.mark.parametrize("asker", ["sense", "sense-bls"], indirect=True)
def test_tags_are_told_apart_from_the_text(asker: Asker, waveforms: list[Waveform]) -> None:
    english, mandarin = asker.transcribe_together(waveforms[:2])
    assert (english.language, mandarin.language) == ("en", "zh")
    assert set(english.tags) == {"emotion", "event", "itn"}
    assert "<|" not in english.text
    answer = asker.send(audio(waveforms[:1]), outputs=("TRANSCRIPTS",)).result(60)
    assert answer.as_numpy("TRANSCRIPTS").item().decode() == english.text


@pytest.mark.parametrize("asker", ["contextual", "contextual-bls", "seaco"], indirect=True)
def test_hotwords_of_one_caller_never_touch_anothers(
    asker: Asker, waveforms: list[Waveform]
) -> None:
    asked = [
        (waveform, {"asr_hotwords": words}) for words in HOTWORDS for waveform in waveforms[:4]
    ]
    alone = [asker.transcribe(waveform, **parameters) for waveform, parameters in asked]
    assert asker.ask_together(asked) == alone
    assert asker.ask_together(asked[::-1]) == alone[::-1]
    assert confidences(alone[0]) != confidences(alone[4]) != confidences(alone[8])


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_our_client_carries_parameters(
    family_server: Server, waveforms: list[Waveform], protocol: ProtocolName
) -> None:
    url = family_server.grpc_address if protocol == "grpc" else family_server.http_address
    with Client(url, protocol=protocol, model="sense") as ours:
        done = ours.transcribe(waveforms[1], details=True, parameters={"asr_text_norm": "withitn"})
    assert done.result is not None
    assert done.result.tags["itn"] == "withitn"


def confidences(result: Result) -> list[float | None]:
    return [word.confidence for word in result.words]


@pytest.mark.parametrize("asker", ["whisper", "whisper-bls"], indirect=True)
def test_a_decoder_is_asked_for_language_task_and_times_beside_others(
    asker: Asker, waveforms: list[Waveform]
) -> None:
    menus: list[dict[str, str | float]] = [
        {}, {"asr_language": "de"}, {"asr_task": "translate"}, {"asr_timestamps": "true"},
        {"asr_prompt": "the quick brown fox"},
        {"asr_prefix": "<|startoftranscript|><|zh|><|transcribe|><|notimestamps|>"},
    ]  # fmt: skip
    asked = [(waveform, menu) for waveform in waveforms[:3] for menu in menus]
    alone = [asker.transcribe(waveform, **menu) for waveform, menu in asked]
    assert asker.ask_together(asked) == alone
    assert [alone[number].language for number in (1, 5)] == ["de", "zh"]
    assert len({result.text for result in alone[: len(menus)]}) > 3


@pytest.mark.parametrize("asker", ["whisper"], indirect=True)
def test_old_clients_of_whisper_send_their_prompt_as_a_tensor(
    asker: Asker, waveforms: list[Waveform]
) -> None:
    prefix = "<|startoftranscript|><|zh|><|transcribe|><|notimestamps|>"
    tensor = {"TEXT_PREFIX": np.array([[prefix.encode()]], np.object_)}
    (told,) = results(asker.send(audio(waveforms[:1]) | tensor).result(60))
    assert told == asker.transcribe(waveforms[0], asr_prefix=prefix)
    nothing = {"TEXT_PREFIX": np.array([[b""]], np.object_)}
    (free,) = results(asker.send(audio(waveforms[:1]) | nothing).result(60))
    assert free == asker.transcribe(waveforms[0])


@pytest.mark.parametrize("asker", ["whisper"], indirect=True)
def test_long_audio_has_passages_in_order(asker: Asker, waveforms: list[Waveform]) -> None:
    long = np.concatenate(waveforms)[: 16 * 16000]  # windows of this one are 5 s
    result = asker.transcribe(long)
    assert len(result.segments) > 1
    times = [(each.start or 0.0, each.end or 0.0) for each in result.segments]
    assert all(start <= end <= 16 for start, end in times)
    assert times == sorted(times)
    assert [each.id for each in result.segments] == list(range(len(result.segments)))
