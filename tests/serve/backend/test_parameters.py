import dataclasses

import pytest

from auricle.serve.backend.hotword_lists import MAX_HOTWORDS, MAX_HOTWORDS_LENGTH
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.parameters import KNOWN, Menu
from auricle.serve.backend.values import Value
from auricle.serve.options import DecodingOptions
from auricle.spec import Choices, Hotwords, PipelineSpec, Prompt
from tests.conftest import TRANSDUCER_SPEC

SYMBOLS = ["<blank>", "<s>", "</s>", "left", "ri@@", "ght", "北", "京", "<unk>"]
PLAIN = dataclasses.replace(TRANSDUCER_SPEC, head="ctc")
PROMPT = Prompt({"auto": 0, "zh": 3, "en": 4}, {"woitn": 15, "withitn": 14}, lead_frames=4)
PROMPTED = dataclasses.replace(PLAIN, prompt=PROMPT)
BIASED = dataclasses.replace(
    TRANSDUCER_SPEC, head="cif", unk_id=8, hotwords=Hotwords(max_tokens=3, last_id=1)
)


def read(spec: PipelineSpec, **parameters: Value) -> DecodingOptions:
    return Menu(spec, Choices(), SYMBOLS).read(parameters)


def refusal(spec: PipelineSpec, **parameters: Value) -> UnfitRequestError:
    with pytest.raises(UnfitRequestError) as raised:
        read(spec, **parameters)
    return raised.value


@pytest.mark.parametrize("spec", [PLAIN, PROMPTED, BIASED], ids=["plain", "prompt", "hotwords"])
def test_a_request_that_asks_for_nothing_gets_the_models_own(spec: PipelineSpec) -> None:
    numbers = (0, 15) if spec.prompt else (None, None)
    assert read(spec, note="asr?") == DecodingOptions("greedy_search", *numbers)


@pytest.mark.parametrize("asked", ["en", "EN", "4", 4, 4.0])
def test_a_language_is_a_name_or_a_number(asked: Value) -> None:
    assert read(PROMPTED, asr_language=asked).language == 4


@pytest.mark.parametrize("asked", ["withitn", "WithITN", "14", 14])
def test_a_text_norm_is_a_name_or_a_number(asked: Value) -> None:
    assert read(PROMPTED, asr_text_norm=asked).text_norm == 14


@pytest.mark.parametrize("asked", ["eng", "", "5", 5, -1, True, 0.5])
def test_an_unknown_language_is_refused_with_those_that_are_known(asked: Value) -> None:
    error = refusal(PROMPTED, asr_language=asked)
    assert error.reason == "language"
    assert str(error) == f"unknown language {asked!r}; this model knows auto (0), zh (3), en (4)"


def test_an_unknown_text_norm_is_refused_with_those_that_are_known() -> None:
    error = refusal(PROMPTED, asr_text_norm=4)
    assert error.reason == "text_norm"
    assert str(error) == "unknown text_norm 4; this model knows woitn (15), withitn (14)"


@pytest.mark.parametrize("kind", ["language", "text_norm"])
def test_a_model_without_a_prompt_takes_none(kind: str) -> None:
    error = refusal(PLAIN, **{f"asr_{kind}": "en"})
    assert error.reason == kind
    assert str(error) == f"{kind} 'en' is asked for, but this model takes none; leave it out"


def test_a_request_may_choose_its_decoding() -> None:
    assert read(PLAIN, asr_decoding="prefix_beam_search").decoding == "prefix_beam_search"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("attention_rescoring", "'attention_rescoring' is not a decoding of this model"),
        ("beam", "'beam' is unknown"),
        (3, "3 is unknown"),
    ],
)
def test_a_decoding_that_the_head_lacks_is_refused(asked: Value, words: str) -> None:
    error = refusal(PLAIN, asr_decoding=asked)
    assert error.reason == "decoding"
    assert str(error) == f"asr_decoding {words}; it knows greedy_search, prefix_beam_search"


@pytest.mark.parametrize(
    "asked", ["left 北京", " left\t北京 left ", '["left", "北京"]', '["left", "北 京"]']
)
def test_hotwords_are_words_or_a_list_of_them(asked: str) -> None:
    assert read(BIASED, asr_hotwords=asked).hotwords == ((3,), (6, 7))


@pytest.mark.parametrize("spec", [PLAIN, BIASED], ids=["plain", "hotwords"])
@pytest.mark.parametrize("asked", ["", "  ", "[]"])
def test_no_hotwords_are_none(spec: PipelineSpec, asked: str) -> None:
    assert read(spec, asr_hotwords=asked).hotwords == ()


@pytest.mark.parametrize("asked", [7, True, '["left", 7]', '["left"', '[["left"]]'])
def test_what_is_no_list_of_words_is_refused(asked: Value) -> None:
    error = refusal(BIASED, asr_hotwords=asked)
    assert error.reason == "hotwords"
    assert str(error).startswith(f"asr_hotwords is {asked!r}; give words with spaces between")


@pytest.mark.parametrize(
    ("spec", "asked", "words"),
    [
        (PLAIN, "left right", "asr_hotwords is 'left right', but this model takes none"),
        (BIASED, "left 北京北京", "asr_hotwords: hotword '北京北京' has more than 3 tokens"),
        (BIASED, '["left", ""]', "asr_hotwords: hotword '' has no tokens"),
    ],
)
def test_hotwords_that_the_model_cannot_take_are_refused(
    spec: PipelineSpec, asked: str, words: str
) -> None:
    error = refusal(spec, asr_hotwords=asked)
    assert error.reason == "hotwords"
    assert str(error).startswith(words)


def test_hotwords_are_bounded_in_number() -> None:
    words = [f"left{number}" for number in range(MAX_HOTWORDS + 1)]
    with pytest.raises(UnfitRequestError, match=f"has {MAX_HOTWORDS + 1} words, but .* at most"):
        read(BIASED, asr_hotwords=" ".join(words))


@pytest.mark.parametrize("spec", [PLAIN, BIASED], ids=["plain", "hotwords"])
@pytest.mark.parametrize("length", [MAX_HOTWORDS_LENGTH, 300_000])
def test_brackets_in_brackets_are_refused(spec: PipelineSpec, length: int) -> None:
    error = refusal(spec, asr_hotwords="[" * length)
    assert error.reason == "hotwords"
    assert len(str(error)) < 200


def test_hotwords_are_bounded_in_length() -> None:
    words = "left " * (MAX_HOTWORDS_LENGTH // 5)
    assert read(BIASED, asr_hotwords=words).hotwords == ((3,),)
    error = refusal(BIASED, asr_hotwords=words + "left")
    assert str(error).startswith(f"asr_hotwords has {len(words) + 4} characters, but")


@pytest.mark.parametrize(
    "name",
    ["asr_decoding", "asr_language", "asr_text_norm", "asr_sample_rate", "asr_hotwords"],
)
@pytest.mark.parametrize("spec", [PLAIN, PROMPTED, BIASED], ids=["plain", "prompt", "hotwords"])
def test_what_is_long_is_not_echoed_whole(spec: PipelineSpec, name: str) -> None:
    assert len(str(refusal(spec, **{name: "9" * 10_000}))) < 250


def test_many_unknown_parameters_are_not_echoed_whole() -> None:
    error = refusal(PLAIN, **{f"asr_{number}{'z' * 1000}": "" for number in range(1000)})
    assert len(str(error)) < 400
    assert "and 997 more" in str(error)


def test_an_unknown_parameter_lists_the_known() -> None:
    error = refusal(PLAIN, asr_beem=4, asr_hotword="left")
    assert error.reason == "unknown_parameter"
    assert str(error).startswith("unknown request parameters ['asr_beem', 'asr_hotword']")
    assert all(name in str(error) for name in KNOWN)


@pytest.mark.parametrize("asked", [16000, 16000.0, "16000"])
def test_the_sample_rate_of_the_model_is_taken(asked: Value) -> None:
    assert read(PLAIN, asr_sample_rate=asked) == read(PLAIN)


def test_another_sample_rate_is_refused() -> None:
    error = refusal(PLAIN, asr_sample_rate=8000)
    assert error.reason == "sample_rate"
    assert "8000 Hz, but this model needs 16000 Hz" in str(error)
