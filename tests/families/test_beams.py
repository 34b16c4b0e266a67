"""What every offline family with a beam must hold to, with a language model and hotwords.

A model of its own tokens is estimated from what it hears; a file of hotwords is everybody's.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from auricle import audio
from auricle.audio import Waveform
from auricle.build.families import Built
from auricle.build.repository import config
from auricle.build.repository.aids import Aids
from auricle.build.repository.populate import Deployment, populate
from auricle.errors import InvalidRequestError
from auricle.serve.backend.aids import load_phrases
from auricle.serve.backend.local import load_pipeline
from auricle.serve.backend.prompting import create_menu
from auricle.serve.backend.values import Value
from auricle.serve.options import DecodingOptions
from auricle.serve.pipeline import Pipeline
from auricle.serve.tokens import Alternative, Transcript
from auricle.spec import BEAM_SEARCHES, parse_choices
from tests.families.checkpoints import BEAMS
from training import ngram

pytestmark = pytest.mark.onnx

RATE, NUM_RECORDINGS = 16000, 6


@dataclass(frozen=True)
class Model:
    """What Triton would load, and how it reads parameters."""

    pipeline: Pipeline
    folder: Path

    def ask(self, **parameters: Value) -> DecodingOptions:
        facts, choices = self.pipeline.spec, self.pipeline.choices
        symbols = self.pipeline.tokens.symbols
        phrases = load_phrases(facts, choices, self.folder, symbols)
        return create_menu(facts, choices, symbols, phrases).read(parameters)

    def hear(self, waveform: Waveform, **parameters: Value) -> Transcript:
        (heard,) = self.transcribe([waveform], [self.ask(**parameters)])
        return heard

    def transcribe(
        self, waveforms: Sequence[Waveform], options: Sequence[DecodingOptions]
    ) -> list[Transcript]:
        heard = self.pipeline.transcribe(waveforms, options)
        return list(map(_rounded, heard)) if self.pipeline.spec.rescorer else heard


def _rounded(transcript: Transcript) -> Transcript:
    """A rescorer's scores to three digits: its float32 sums lean on the shape of its batch."""
    nbest = transcript.nbest and tuple(
        Alternative(each.text, each.score and round(each.score, 3)) for each in transcript.nbest
    )
    return replace(transcript, nbest=nbest)


@pytest.fixture(scope="module", params=BEAMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def waveforms(test_wavs: Path) -> list[Waveform]:
    return [audio.load(path, RATE) for path in sorted(test_wavs.glob("*.wav"))[:NUM_RECORDINGS]]


@pytest.fixture(scope="module")
def plain(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write(built, tmp_path_factory.mktemp("plain"), Aids())


@pytest.fixture(scope="module")
def spoken(plain: Model, waveforms: list[Waveform]) -> list[list[Alternative]]:
    """What the beam finds of each recording."""
    heard = [plain.hear(waveform, asr_nbest=20, asr_beam=10).nbest or () for waveform in waveforms]
    return list(map(list, heard))


@pytest.fixture(scope="module")
def liked(plain: Model, spoken: list[list[Alternative]]) -> list[str]:
    """Words that hypotheses behind the first have, and the first has not; then any."""
    first = {word for nbest in spoken for word in nbest[0].text.split()}
    others = [word for nbest in spoken for each in nbest[1:] for word in each.text.split()]
    symbols = [each.lstrip("▁") for each in plain.pipeline.tokens.symbols]
    words = [word[-20:] for word in (*others, *symbols) if word not in first]
    spelled = [word for word in dict.fromkeys(words) if can_spell(plain, word)]
    return spelled[:5]


def can_spell(model: Model, phrase: str) -> bool:
    try:
        model.ask(asr_hotwords=json.dumps([phrase]))
    except InvalidRequestError:
        return False
    return True


@pytest.fixture(scope="module")
def aids(
    plain: Model,
    liked: list[str],
    waveforms: list[Waveform],
    tmp_path_factory: pytest.TempPathFactory,
) -> Aids:
    folder = tmp_path_factory.mktemp("aids")
    texts = [plain.hear(waveform).tokens for waveform in waveforms]
    sentences = [[token.text for token in tokens if token.text.strip()] for tokens in texts]
    ngram.write_arpa(folder / "tokens.arpa", ngram.estimate([*sentences, ["<unk>"]], order=2))
    (folder / "hotwords.txt").write_text(f"{liked[0]} :0.5\n", encoding="utf-8")
    return Aids(folder / "tokens.arpa", "tokens", folder / "hotwords.txt")


@pytest.fixture(scope="module")
def model(built: Built, aids: Aids, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write(built, tmp_path_factory.mktemp("helped"), aids)


@pytest.fixture(scope="module")
def wishes(liked: list[str]) -> list[dict[str, Value]]:
    """A different one for each recording."""
    hotwords = json.dumps(dict.fromkeys(liked[1:], 2.0))
    return [
        {},
        {"asr_nbest": 3},
        {"asr_hotwords": hotwords, "asr_nbest": 5},
        {"asr_lm_weight": 0.8, "asr_lm_word_bonus": 0.3, "asr_nbest": 5},
        {"asr_beam": 2, "asr_nbest": 5},
        {"asr_beam": 7, "asr_nbest": 4, "asr_hotwords": hotwords, "asr_hotwords_score": 1.0,
         "asr_lm_weight": 0.5},
    ]  # fmt: skip


def write(built: Built, repository: Path, aids: Aids) -> Model:
    (written,) = populate(built, "model", repository, Deployment(aids=aids)).folders
    parameters = config.parse((written / config.FILE_NAME).read_text()).parameters
    chosen = parse_choices({name: each.string_value for name, each in parameters.items()})
    choices = replace(chosen, max_sub_batch=4, max_padding=1.0)
    return Model(load_pipeline(written / "1", choices), written / "1")


def test_what_helps_a_search_makes_the_beam_the_default(model: Model) -> None:
    beam = BEAM_SEARCHES[model.pipeline.spec.head]
    assert (model.pipeline.choices.decoding, model.ask().decoding) == (beam, beam)


def test_a_batch_of_different_wishes_equals_each_alone(
    model: Model, waveforms: list[Waveform], wishes: list[dict[str, Value]]
) -> None:
    alone = [model.hear(waveform, **wish) for waveform, wish in zip(waveforms, wishes, strict=True)]
    together = model.transcribe(waveforms, [model.ask(**wish) for wish in wishes])
    assert together == alone
    assert any(each.text for each in alone)


def test_each_wish_of_one_recording_equals_itself_beside_all_others(
    model: Model, waveforms: list[Waveform], wishes: list[dict[str, Value]]
) -> None:
    options = [model.ask(**wish) for wish in wishes]
    alone = [model.transcribe(waveforms[:1], [each])[0] for each in options]
    assert model.transcribe(waveforms[:1] * len(options), options) == alone
    assert model.transcribe(waveforms[:1] * len(options), options[::-1]) == alone[::-1]


def test_greedy_rows_stay_greedy_beside_beams(
    model: Model, waveforms: list[Waveform], wishes: list[dict[str, Value]]
) -> None:
    greedy = model.ask(asr_decoding="greedy_search")
    alone = [model.transcribe([each], [greedy])[0] for each in waveforms]
    beams = [model.ask(**wish) for wish in wishes]
    together = model.transcribe(waveforms * 2, [greedy] * len(waveforms) + beams)
    assert together[: len(waveforms)] == alone


def test_nbest_texts_are_distinct_and_the_first_is_the_text(
    model: Model, waveforms: list[Waveform]
) -> None:
    for waveform in waveforms:
        heard = model.hear(waveform, asr_nbest=20)
        assert heard.nbest
        texts = [each.text for each in heard.nbest]
        assert texts[0] == heard.text
        assert len(set(texts)) == len(texts) <= 20


def test_fewer_of_the_nbest_are_the_first_of_more(model: Model, waveforms: list[Waveform]) -> None:
    for waveform in waveforms:
        few, many = (model.hear(waveform, asr_nbest=nbest).nbest for nbest in (2, 20))
        assert many
        assert few == many[:2]


def test_nbest_come_as_the_search_ranks_them(model: Model, waveforms: list[Waveform]) -> None:
    for waveform in waveforms:
        scores = [each.score for each in model.hear(waveform, asr_nbest=20).nbest or ()]
        if len(scores) == 1:
            continue
        known = [score for score in scores if score is not None]
        assert known == scores
        if "transducer" not in model.pipeline.spec.head:  # which divide them by the tokens
            assert known == sorted(known, reverse=True)


def test_nobody_gets_nbest_who_does_not_ask(model: Model, waveforms: list[Waveform]) -> None:
    assert model.hear(waveforms[0]).nbest is None


def test_a_hotword_is_said_more_often(
    model: Model, waveforms: list[Waveform], liked: list[str]
) -> None:
    def count(word: str, **wish: Value) -> int:
        heard = model.transcribe(waveforms, [model.ask(**wish)] * len(waveforms))
        return sum(each.text.count(word) for each in heard)

    lifted = [word for word in liked if count(word, asr_hotwords=f"{word} :20.0") > count(word)]
    assert lifted


def test_hotwords_of_one_row_never_touch_another(
    model: Model, waveforms: list[Waveform], liked: list[str]
) -> None:
    loud = model.ask(asr_hotwords=json.dumps(dict.fromkeys(liked, 50.0)), asr_nbest=5)
    quiet = model.ask(asr_nbest=5)
    alone = model.transcribe(waveforms, [quiet] * len(waveforms))
    options = [loud if row % 2 else quiet for row in range(len(waveforms))]
    assert model.transcribe(waveforms, options)[::2] == alone[::2]


def test_a_language_model_of_weight_0_equals_the_plain_beam(
    built: Built,
    plain: Model,
    aids: Aids,
    waveforms: list[Waveform],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    weighed = write(built, tmp_path_factory.mktemp("lm"), replace(aids, hotwords=None))
    for waveform in waveforms:
        expected = plain.hear(waveform, asr_nbest=5)
        assert weighed.hear(waveform, asr_nbest=5, asr_lm_weight=0) == expected
        assert weighed.hear(waveform, asr_nbest=5) != expected


def test_a_language_model_s_words_are_those_of_the_text(
    built: Built, plain: Model, waveforms: list[Waveform], tmp_path: Path
) -> None:
    texts = [plain.hear(waveform).text.split() for waveform in waveforms]
    ngram.write_arpa(tmp_path / "words.arpa", ngram.estimate([*texts, ["<unk>"]], order=2))
    model = write(built, tmp_path / "repository", Aids(tmp_path / "words.arpa", "words"))
    wish = {"asr_nbest": 3, "asr_lm_weight": 0.5}
    alone = [model.hear(waveform, **wish) for waveform in waveforms]
    options = [model.ask(**wish)] * len(waveforms)
    assert model.transcribe(waveforms, options) == alone
    assert alone != [plain.hear(waveform, asr_nbest=3) for waveform in waveforms]
