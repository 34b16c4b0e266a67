import dataclasses

import pytest

from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.parameters import Menu
from auricle.serve.backend.prompting import MAX_TEXT_LENGTH, create_menu
from auricle.serve.backend.values import Value
from auricle.serve.options import DecodingOptions, speech_options
from auricle.spec import Autoregressive, Choices, PipelineSpec, Vad
from tests.conftest import TRANSDUCER_SPEC

SPECIALS = ("endoftext", "startoftranscript", "en", "de", "translate", "transcribe", "startofprev",
            "nospeech", "notimestamps", "0.00", "0.02")  # fmt: skip
SYMBOLS = [*map(chr, range(33, 127)), "Ġ", "ab", "Ġab", *(f"<|{name}|>" for name in SPECIALS)]
IDS = {symbol: number for number, symbol in enumerate(SYMBOLS)}
FACTS = Autoregressive(
    window_seconds=30.0,
    max_tokens=24,
    start_id=IDS["<|startoftranscript|>"],
    end_id=IDS["<|endoftext|>"],
    previous_id=IDS["<|startofprev|>"],
    no_speech_id=IDS["<|nospeech|>"],
    no_timestamps_id=IDS["<|notimestamps|>"],
    languages={"en": IDS["<|en|>"], "de": IDS["<|de|>"]},
    tasks={"transcribe": IDS["<|transcribe|>"], "translate": IDS["<|translate|>"]},
    suppressed_ids=[],
    begin_suppressed_ids=[],
)
WHISPER = dataclasses.replace(
    TRANSDUCER_SPEC, family="whisper", head="autoregressive", token_kind="gpt2_bpe",
    autoregressive=FACTS,
)  # fmt: skip
FORCED = dataclasses.replace(
    WHISPER,
    autoregressive=dataclasses.replace(FACTS, default_language="de", default_task="translate"),
)


def read(spec: PipelineSpec = WHISPER, **parameters: Value) -> DecodingOptions:
    return create_menu(spec, Choices(), SYMBOLS).read(parameters)


def refusal(**parameters: Value) -> UnfitRequestError:
    with pytest.raises(UnfitRequestError) as raised:
        create_menu(WHISPER, Choices(), SYMBOLS).read(parameters)
    return raised.value


def test_a_request_that_asks_for_nothing_lets_the_model_tell_the_language() -> None:
    assert read() == DecodingOptions("greedy_search", task=FACTS.tasks["transcribe"])


def test_what_a_checkpoint_forces_is_the_default() -> None:
    found = read(FORCED)
    assert (found.language, found.task) == (FACTS.languages["de"], FACTS.tasks["translate"])
    assert read(FORCED, asr_language="auto").language is None


@pytest.mark.parametrize("asked", ["de", "DE", IDS["<|de|>"], str(IDS["<|de|>"])])
def test_a_language_is_a_code_or_a_token(asked: Value) -> None:
    assert read(asr_language=asked).language == FACTS.languages["de"]


def test_what_a_model_has_not_is_refused_with_what_it_has() -> None:
    assert str(refusal(asr_language="fr")).startswith("unknown language 'fr'; this model knows en")
    error = refusal(asr_task="summarise")
    assert (error.reason, str(error)[:41]) == ("task", "unknown task 'summarise'; this model know")
    assert refusal(asr_beam=3).reason == "unknown_parameter"
    assert "asr_prompt" in str(refusal(asr_beam=3))


def test_a_prompt_is_what_was_said_before() -> None:
    assert read(asr_prompt=" ab!  ").prompt == (IDS["Ġab"], IDS["!"])
    assert read(asr_prompt="").prompt == read(asr_prompt="  ").prompt == ()


def test_of_a_long_prompt_the_end_counts() -> None:
    prompt = read(asr_prompt="!" * 40 + " ab").prompt
    assert len(prompt) == FACTS.max_tokens // 2 - 1
    assert prompt[-1] == IDS["Ġab"]


def test_special_tokens_of_a_prompt_are_only_text() -> None:
    assert max(read(asr_prompt="<|de|>").prompt) < FACTS.end_id


def test_a_prefix_is_the_whole_prompt() -> None:
    prefix = "<|startofprev|> ab<|startoftranscript|><|en|><|transcribe|>ab"
    names = ("<|startofprev|>", "Ġab", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "ab")
    assert read(asr_prefix=prefix).prefix == tuple(IDS[name] for name in names)
    assert read(asr_prefix="").prefix == ()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("<|en|>ab", "asr_prefix is '<|en|>ab'; it is all that the decoder hears and begins"),
        ("<|startoftranscript|><|fr|>", "asr_prefix: '<|fr|>' is no token of this model"),
        ("<|startoftranscript|>" + "!" * 20, "asr_prefix has 21 tokens, but this model takes 12"),
        (7, "asr_prefix is 7; give a text"),
        ("!" * (MAX_TEXT_LENGTH + 1), "asr_prefix has 4097 characters, but a request may have"),
    ],
)
def test_a_prefix_that_no_decoder_can_begin_with_is_refused(asked: Value, sentence: str) -> None:
    error = refusal(asr_prefix=asked)
    assert error.reason == "prompt"
    assert str(error).startswith(sentence)


@pytest.mark.parametrize("asked", [True, "true", 1, "yes"])
def test_times_are_asked_for_by_yes(asked: Value) -> None:
    assert read(asr_timestamps=asked).timestamps
    assert not read(asr_timestamps=not asked if isinstance(asked, bool) else "no").timestamps


def test_times_are_asked_for_by_nothing_else() -> None:
    assert refusal(asr_timestamps="word").reason == "timestamps"


def test_a_decoder_s_long_audio_is_cut_where_it_has_a_detector() -> None:
    choices = Choices(vad_threshold=0.4)
    detecting = dataclasses.replace(WHISPER, vad=Vad(16000, 512, 64, 128))
    menu = create_menu(detecting, choices, SYMBOLS)
    found = menu.read({"asr_vad": True, "asr_vad_speech_pad_ms": 80, "asr_task": "translate"})
    assert found.speech == dataclasses.replace(speech_options(choices), speech_pad_ms=80)
    assert found.task == FACTS.tasks["translate"]
    assert refusal(asr_vad=True).reason == "vad"
    assert refusal(asr_vad_threshold=0.5).reason == "unknown_parameter"


def test_other_models_do_not_know_what_only_decoders_take() -> None:
    menu = create_menu(TRANSDUCER_SPEC, Choices(), SYMBOLS)
    assert type(menu) is Menu
    with pytest.raises(UnfitRequestError, match=r"unknown request parameters \['asr_task'\]"):
        menu.read({"asr_task": "translate"})
