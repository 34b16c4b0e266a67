"""Streams that a beam searches, each with its own hotwords, on a real tritonserver."""

import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as kserve
from tritonclient.utils import InferenceServerException

from auricle import audio as files
from auricle.audio import Waveform
from auricle.cli import build
from auricle.server import Server
from tests.live.conftest import StartServer
from tests.live.models import choose
from tests.live.talking import Say, Talker

pytestmark = pytest.mark.triton

Parameters = dict[str, str | float]


@pytest.fixture(scope="module")
def repository(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model live, with a language model that nobody hears who does not ask."""
    repository = tmp_path_factory.mktemp("repository")
    build.run("icefall-transducer", name="live", repo=repository, streaming=True,
              checkpoint=assets / "icefall-streaming")  # fmt: skip
    lm = assets / "lm" / "words.arpa.gz"
    shutil.copyfile(lm, repository / "live" / "1" / "words.arpa.gz")
    choose(repository / "live" / "config.pbtxt", decoding="modified_beam_search",
           lm="words.arpa.gz", lm_units="words", lm_weight="0.0")  # fmt: skip
    return repository


@pytest.fixture(scope="module")
def server(start_server: StartServer, repository: Path) -> Server:
    return start_server(repository)


@pytest.fixture
def talker(server: Server) -> Iterator[Talker]:
    with kserve.InferenceServerClient(server.grpc_address) as client:
        yield Talker(client, "live", server.grpc_address)


@pytest.fixture(scope="module")
def waveforms(test_wavs: Path) -> list[Waveform]:
    return [files.load(path, 16000) for path in sorted(test_wavs.glob("*.wav"))[:3]]


STREAM_WISHES: list[Parameters] = [
    {},
    {"asr_hotwords": "LIGHT :15.0"},
    {"asr_hotwords": '["TOKYO"]', "asr_hotwords_score": 4.0},
    {"asr_lm_weight": 1.0, "asr_lm_word_bonus": -0.5},
]


def talk(
    talker: Talker, waveform: Waveform, wish: Mapping[str, str | float], stream_id: int
) -> list[str]:
    """The text behind each chunk; only the first one has the wish."""
    chunks = np.array_split(waveform, 5)
    texts = []
    for index, chunk in enumerate(chunks):
        is_first, is_last = index == 0, index == len(chunks) - 1
        said = Say(chunk, stream_id, is_first, is_last, wish if is_first else None)  # type: ignore[arg-type]
        texts.append(talker.say(said).text)
    return texts


def test_streams_of_different_hotwords_at_once_equal_each_alone(
    talker: Talker, waveforms: list[Waveform]
) -> None:
    asked = [(waveform, wish) for waveform in waveforms[1:3] for wish in STREAM_WISHES]
    alone = [talk(talker, *each, 100 + row) for row, each in enumerate(asked)]
    together: list[list[str]] = [[] for _ in asked]

    def listen(row: int) -> None:
        together[row] = talk(talker, *asked[row], 200 + row)

    threads = [threading.Thread(target=listen, args=(row,)) for row in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert together == alone


def test_a_stream_s_first_chunk_says_its_hotwords(
    talker: Talker, waveforms: list[Waveform]
) -> None:
    plain = talk(talker, waveforms[2], {}, 301)[-1]
    lifted = talk(talker, waveforms[2], {"asr_hotwords": "LIGHT :15.0"}, 302)[-1]
    assert "light" not in plain.lower()
    assert "light" in lifted.lower()


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"asr_beam": 3}, "unknown request parameters ['asr_beam']"),
        ({"asr_hotwords": "北"}, "has characters that no token of this model has"),
        ({"asr_lm_weight": -1}, "asr_lm_weight is -1; give a number from 0 to 10"),
    ],
    ids=str,
)
def test_a_stream_s_first_chunk_is_refused_with_a_sentence(
    talker: Talker, waveforms: list[Waveform], wish: Parameters, sentence: str
) -> None:
    before = talk(talker, waveforms[1], {}, 401)
    with pytest.raises(InferenceServerException) as caught:
        talk(talker, waveforms[1], wish, 402)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert sentence in str(caught.value.message())
    assert talk(talker, waveforms[1], {}, 403) == before
