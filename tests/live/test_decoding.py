"""Beams, n-best, language models, hotwords and digits on a real tritonserver.

Those of streams are in test_searched_streams.py.
"""

import importlib.util
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import tritonclient.grpc as kserve
from tritonclient.utils import InferenceServerException

from auricle import audio as files
from auricle.audio import Waveform
from auricle.cli import build
from auricle.cli.build.options import LmUnitsName, Runner
from auricle.client import Result
from auricle.client.results import Segment
from auricle.errors import RepositoryError, ServerError
from auricle.serve.itn import create_itn
from auricle.server import Server
from tests.live.asking import Asker, audio, results
from tests.live.conftest import StartServer
from tests.live.models import choose

pytestmark = pytest.mark.triton

Parameters = dict[str, str | float]
HELPED = ["transducer", "transducer-bls"]
needs_wetext = pytest.mark.skipif(
    importlib.util.find_spec("wetext") is None,
    reason="wetext is not installed: pip install 'auricle[itn]'",
)
SEARCHED = [*HELPED, "ctc", "wenet"]
WISHES: list[Parameters] = [
    {},
    {"asr_nbest": 5},
    {"asr_beam": 2, "asr_nbest": 2},
    {"asr_hotwords": '{"light": 4.0, "kitchen": 4.0}', "asr_nbest": 3},
    {"asr_hotwords": "light :6.0/GREEN GARDEN"},
    {"asr_hotwords": "light kitchen", "asr_hotwords_score": 5},
    {"asr_decoding": "greedy_search"},
]
WEIGHTS: list[Parameters] = [
    {"asr_lm_weight": 0},
    {"asr_lm_weight": "1.5", "asr_lm_word_bonus": -2, "asr_nbest": 4},
    {"asr_blank_penalty": 2.5, "asr_beam": 8},
]
REFUSED: dict[str, tuple[str, Parameters, str]] = {
    "wide": ("ctc", {"asr_beam": 21}, "asr_beam is 21; give a number from 1 to 20"),
    "wider than the rescorer": ("wenet", {"asr_beam": 11}, "give a number from 1 to 10"),
    "none": ("ctc", {"asr_beam": 0}, "asr_beam is 0; give a number from 1 to 20"),
    "no number": ("ctc", {"asr_nbest": "many"}, "asr_nbest is 'many'; give a number"),
    "half": ("ctc", {"asr_nbest": 2.5}, "asr_nbest is 2.5; give a whole number"),
    "penalty of ctc": ("ctc", {"asr_blank_penalty": 1}, "unknown request parameters"),
    "no model": ("ctc", {"asr_lm_weight": 0.3}, "has no language model; build it with --lm FILE"),
    "heavy": ("transducer", {"asr_lm_weight": 11}, "give a number from 0 to 10"),
    "bonus": ("transducer", {"asr_lm_word_bonus": "nan"}, "give a number from -100 to 100"),
    "greedy": (
        "transducer",
        {"asr_decoding": "greedy_search", "asr_hotwords": "light"},
        "asr_hotwords is asked for, but so is asr_decoding greedy_search",
    ),
    "beam, greedy": (
        "ctc",
        {"asr_decoding": "greedy_search", "asr_beam": 3},
        "ask for prefix_beam_search, or leave one of them out",
    ),
    "not in the alphabet": (
        "ctc",
        {"asr_hotwords": "北京"},
        "has characters that no token of this model has: '北京'",
    ),
    "score without a phrase": ("ctc", {"asr_hotwords": ":2.0"}, "is a score without a phrase"),
    "no score": ("ctc", {"asr_hotwords": '{"light": "loud"}'}, "is no score; give a number"),
    "number": ("ctc", {"asr_hotwords": 7}, "give words with spaces between, a JSON list"),
    "loud": (
        "ctc",
        {"asr_hotwords": "light", "asr_hotwords_score": 101},
        "asr_hotwords_score is 101; give a number from -100 to 100",
    ),
    "no beam": ("paraformer", {"asr_beam": 3}, "unknown request parameters ['asr_beam']"),
    "no hotwords": ("paraformer", {"asr_hotwords": "light"}, "but this model takes none"),
    "no language": ("ctc", {"asr_itn": "true"}, "does not tell which language it hears"),
    "no grammar": ("ctc", {"asr_itn": "fr"}, "asr_itn is 'fr'; give true, false, or the language"),
}


@pytest.fixture(scope="module")
def hotwords(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hotwords") / "phrases.txt"
    path.write_text("NORTH PURPLE :0.5\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def repository(assets: Path, hotwords: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Transducers with a language model and hotwords; others without."""
    repository = tmp_path_factory.mktemp("repository")
    lm, words = assets / "lm" / "words.arpa.gz", LmUnitsName.words
    for name, runner in (("transducer", "onnxruntime"), ("transducer-bls", "bls")):
        build.run("icefall-transducer", name=name, repo=repository, lm=lm, lm_units=words,
                  checkpoint=assets / "icefall-transducer", hotwords=hotwords,
                  runner=Runner(runner))  # fmt: skip
    for name, family, folder in (
        ("ctc", "icefall-ctc", "icefall-ctc"),
        ("wenet", "wenet-u2", "wenet-u2"),
        ("paraformer", "paraformer", "paraformer"),
        ("sense", "sense-voice", "sense-voice"),
    ):
        build.run(family, name=name, repo=repository, checkpoint=assets / folder)
    return repository


@pytest.fixture(scope="module")
def server(start_server: StartServer, repository: Path) -> Server:
    return start_server(repository)


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[kserve.InferenceServerClient]:
    with kserve.InferenceServerClient(server.grpc_address) as connected:
        yield connected


@pytest.fixture
def asker(client: kserve.InferenceServerClient, request: pytest.FixtureRequest) -> Asker:
    return Asker(client, request.param)


@pytest.fixture(scope="module")
def waveforms(test_wavs: Path) -> list[Waveform]:
    return [files.load(path, 16000) for path in sorted(test_wavs.glob("*.wav"))[:8]]


def nbest(asker: Asker, waveform: Waveform, parameters: Parameters) -> object:
    """As RESULT has it."""
    answer = asker.send(audio([waveform]), parameters).result(60)
    (segment,) = json.loads(answer.as_numpy("RESULT").item())["segments"]
    return segment["nbest"]


def rounded(heard: Sequence[Result]) -> list[Result]:
    """Scores of n-best to three digits: a rescorer's float32 sums lean on its batch."""
    return [replace(each, segments=tuple(map(_rounded, each.segments))) for each in heard]


def _rounded(segment: Segment) -> Segment:
    nbest = (replace(each, score=each.score and round(each.score, 3)) for each in segment.nbest)
    return replace(segment, nbest=tuple(nbest))


@pytest.mark.parametrize("asker", SEARCHED, indirect=True)
def test_nbest_are_texts_with_scores_the_text_first(
    asker: Asker, waveforms: list[Waveform]
) -> None:
    for waveform in waveforms[:3]:
        result = asker.transcribe(waveform, asr_nbest=3)
        (segment,) = result.segments
        texts = [each.text for each in segment.nbest]
        assert texts[0] == result.text == segment.text
        assert len(set(texts)) == len(texts) == 3
        assert all(isinstance(each.score, float) for each in segment.nbest)


@pytest.mark.parametrize("asker", [*SEARCHED, "paraformer"], indirect=True)
def test_nbest_is_null_where_nobody_asks(asker: Asker, waveforms: list[Waveform]) -> None:
    assert nbest(asker, waveforms[0], {}) is None


@pytest.mark.parametrize("asker", ["paraformer"], indirect=True)
def test_nbest_is_null_where_the_search_knows_the_best_only(
    asker: Asker, waveforms: list[Waveform]
) -> None:
    assert nbest(asker, waveforms[0], {"asr_nbest": 3}) is None


@pytest.mark.parametrize("asker", SEARCHED, indirect=True)
def test_different_wishes_in_flight_together_equal_each_alone(
    asker: Asker, waveforms: list[Waveform]
) -> None:
    wishes = [*WISHES, *WEIGHTS] if asker.model in HELPED else WISHES
    asked = [(waveform, wish) for waveform in waveforms[:4] for wish in wishes]
    alone = rounded([asker.transcribe(waveform, **wish) for waveform, wish in asked])
    assert rounded(asker.ask_together(asked)) == alone
    assert rounded(asker.ask_together(asked[::-1])) == alone[::-1]


def test_in_process_equals_bls(
    client: kserve.InferenceServerClient, waveforms: list[Waveform]
) -> None:
    asked = [(waveform, wish) for waveform in waveforms[:4] for wish in (*WISHES, *WEIGHTS)]
    in_process, by_bls = (Asker(client, model).ask_together(asked) for model in HELPED)
    assert in_process == by_bls


@pytest.mark.parametrize("asker", SEARCHED, indirect=True)
@pytest.mark.parametrize(
    "liked",
    ["LIGHT :{0}", "light :{0}/TOKYO", '{{"light": {0}}}', '["light"]', "light"],
)
def test_a_hotword_lifts_what_it_names(asker: Asker, waveforms: list[Waveform], liked: str) -> None:
    right = waveforms[2]  # call the black garden right
    plain = asker.transcribe(right).text
    lifted = asker.transcribe(right, asr_hotwords=liked.format(15), asr_hotwords_score=15).text
    assert "light" not in plain.lower()
    assert "light" in lifted.lower()


@pytest.mark.parametrize("asker", HELPED, indirect=True)
def test_a_language_model_s_weight_changes_the_scores(
    asker: Asker, waveforms: list[Waveform]
) -> None:
    first = [
        asker.transcribe(waveforms[0], asr_nbest=1, **weights).segments[0].nbest[0].score
        for weights in ({}, {"asr_lm_weight": 0}, {"asr_lm_weight": 2.5}, {"asr_lm_word_bonus": -3})
    ]
    assert len(set(first)) == 4


@pytest.mark.parametrize("asker", HELPED, indirect=True)
def test_a_blank_penalty_of_the_most_makes_a_transducer_talk(
    asker: Asker, waveforms: list[Waveform]
) -> None:
    quiet, loud = (
        asker.transcribe(waveforms[0], asr_lm_weight=0, asr_blank_penalty=penalty).text
        for penalty in (0, 20)
    )
    assert len(loud) > len(quiet)


@pytest.mark.parametrize("asker", ["ctc"], indirect=True)
@pytest.mark.parametrize(
    "wish", [{"asr_beam": 10}, {"asr_nbest": 1}, {"asr_hotwords": "TOKYO :0.0"}], ids=str
)
def test_who_asks_a_greedy_model_for_a_beam_gets_one(
    asker: Asker, waveforms: list[Waveform], wish: Parameters
) -> None:
    beam, chosen = (
        [asker.transcribe(waveform, **asked) for waveform in waveforms]
        for asked in ({"asr_decoding": "prefix_beam_search"}, wish)
    )
    assert [each.text for each in chosen] == [each.text for each in beam]
    assert [each.words for each in chosen] == [each.words for each in beam]


@needs_wetext
@pytest.mark.parametrize(
    ("asker", "language"), [("ctc", "en"), ("transducer", "en"), ("sense", "on")],
    indirect=["asker"],
)  # fmt: skip
def test_digits_are_written_where_they_are_asked_for(
    asker: Asker, test_wavs: Path, language: str
) -> None:
    waveform = files.load(test_wavs / "heldout-0176.wav", 16000)
    wish: Parameters = {"asr_itn": language, "asr_nbest": 2}
    said, written = asker.ask_together([(waveform, {}), (waveform, wish)])
    assert written.text == create_itn("en")(said.text)
    assert written.text.isdecimal()
    assert written.segments[0].nbest[0].text == written.segments[0].text == written.text
    assert written.words == said.words


@pytest.mark.parametrize("what", REFUSED)
def test_each_refusal_has_its_sentence_and_harms_no_neighbour(
    client: kserve.InferenceServerClient, waveforms: list[Waveform], what: str
) -> None:
    model, parameters, sentence = REFUSED[what]
    asker = Asker(client, model)
    alone = asker.transcribe(waveforms[0])
    sent = [asker.send(audio([waveforms[0]]), parameters if row % 2 else {}) for row in range(6)]
    for bad in sent[1::2]:
        error = bad.exception(60)
        assert isinstance(error, InferenceServerException)
        assert error.status() == "StatusCode.INVALID_ARGUMENT"
        assert sentence in str(error.message())
    assert [results(good.result(60)) for good in sent[::2]] == [[alone]] * 3


BROKEN = {
    "absent": (None, "parameter lm of config.pbtxt names 'lm.arpa', but "),
    "no model": (b"nothing of the sort\n", "lm.arpa"),
    "cut": (b"\\data\\\nngram 1=5\n\n\\1-grams:\n-1 a\n", "lm.arpa"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_language_model_that_cannot_be_read_is_named(
    start_server: StartServer, repository: Path, tmp_path: Path, what: str
) -> None:
    content, sentence = BROKEN[what]
    shutil.copytree(repository / "ctc", tmp_path / "models" / "ctc")
    choose(tmp_path / "models" / "ctc" / "config.pbtxt", decoding="prefix_beam_search",
           lm="lm.arpa")  # fmt: skip
    path = tmp_path / "models" / "ctc" / "1" / "lm.arpa"
    if content:
        path.write_bytes(content)
    with pytest.raises(ServerError) as caught:
        start_server(tmp_path / "models")
    assert "failed to load 'ctc' version 1" in str(caught.value)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_language_model_beside_a_greedy_search_is_refused(
    start_server: StartServer, repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(repository / "transducer", tmp_path / "models" / "transducer")
    choose(tmp_path / "models" / "transducer" / "config.pbtxt", decoding="greedy_search")
    with pytest.raises(RepositoryError, match="decoding is greedy_search, which has no"):
        start_server(tmp_path / "models")
