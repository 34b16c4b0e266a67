import dataclasses
import json
from pathlib import Path

import pytest

from auricle import spec
from auricle.errors import RepositoryError
from auricle.spec import Choices, Decoding, PipelineSpec, Rescorer, Streaming
from tests.conftest import TRANSDUCER_SPEC


def test_a_spec_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    TRANSDUCER_SPEC.save(tmp_path)
    assert spec.load(tmp_path) == TRANSDUCER_SPEC


def test_a_streaming_spec_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    streaming = Streaming(window=7440, hop=5120, reflected=120, state_size=462721, num_frames=8)
    facts = dataclasses.replace(TRANSDUCER_SPEC, streaming=streaming)
    facts.save(tmp_path)
    assert spec.load(tmp_path) == facts


def test_a_missing_file_names_the_command_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="auricle build"):
        spec.load(tmp_path)


@pytest.mark.parametrize("change", [{"version": 2}, {"head": None, "sauce": 1}, {"source": {}}])
def test_a_foreign_record_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    TRANSDUCER_SPEC.save(tmp_path)
    path = tmp_path / spec.FILE_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RepositoryError, match="run `auricle build` again"):
        spec.load(tmp_path)


@pytest.mark.parametrize("text", ["[]", "null", '{"version": 1}'])
def test_json_that_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / spec.FILE_NAME).write_text(text)
    with pytest.raises(RepositoryError, match="run `auricle build` again"):
        spec.load(tmp_path)


def test_text_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / spec.FILE_NAME).write_text("{")
    with pytest.raises(RepositoryError, match="not JSON"):
        spec.load(tmp_path)


def test_choices_come_back_from_their_parameters() -> None:
    choices = Choices(runner="bls", max_sub_batch=32, max_padding=0.1, lookahead=8)
    assert spec.parse_choices(choices.to_parameters()) == choices


def test_choices_of_a_search_come_back_from_their_parameters() -> None:
    choices = Choices(
        decoding="prefix_beam_search", beam=7, max_beam=9, max_nbest=3, blank_penalty=0.0,
        lm="lm.arpa", lm_weight=0.0, lm_word_bonus=-1.5, lm_units="words",
        hotwords="hotwords.txt", hotwords_score=-2.0, itn="zh",
    )  # fmt: skip
    assert spec.parse_choices(choices.to_parameters()) == choices


def test_absent_choices_take_the_default() -> None:
    assert spec.parse_choices({}) == Choices()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lookahed": "4"}, "unknown parameters .*lookahed"),
        ({"lookahead": "four"}, "'four', expected int"),
        ({"lookahead": "0"}, "must be a number above 0"),
        ({"max_audio_seconds": "nan"}, "is nan, but must be a number above 0"),
        ({"max_audio_seconds": "inf"}, "is inf, but must be a number above 0"),
        ({"max_batch_seconds": "nan"}, "is nan, but must be a number above 0"),
        ({"max_batch_seconds": "inf"}, "is inf, but must be a number above 0"),
        ({"max_padding": "nan"}, r"not in 0\.\.1"),
        ({"runner": "torch"}, "known: onnxruntime, bls"),
        ({"endpoint": "yes"}, "parameter endpoint is 'yes'; known: off, on"),
        ({"endpoint_rule2": "0"}, "must be a number above 0"),
        ({"max_padding": "1.5"}, r"not in 0\.\.1"),
        ({"beam": "0"}, "parameter beam is 0, but must be a number above 0"),
        ({"beam": "2.5"}, "parameter beam of config.pbtxt is '2.5', expected int"),
        ({"max_beam": "-1"}, "parameter max_beam is -1, but must be a number above 0"),
        ({"max_nbest": "0"}, "parameter max_nbest is 0, but must be a number above 0"),
        ({"blank_penalty": "-0.1"}, "blank_penalty is -0.1, but must be a number of 0 or more"),
        ({"lm_weight": "-1"}, "lm_weight is -1.0, but must be a number of 0 or more"),
        ({"lm_weight": "inf"}, "lm_weight is inf, but must be a number of 0 or more"),
        ({"lm_word_bonus": "nan"}, "lm_word_bonus is nan, but must be a number"),
        ({"lm_units": "letters"}, "lm_units is 'letters'; known: auto, tokens, words"),
        ({"hotwords_score": "-inf"}, "hotwords_score is -inf, but must be a number"),
        ({"itn": "yes"}, "parameter itn is 'yes'; known: off, on, en, ja, zh"),
    ],
)
def test_a_wrong_choice_is_named(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(RepositoryError, match=message):
        spec.parse_choices(parameters)


def test_a_decoding_that_the_head_lacks_is_refused() -> None:
    message = "'prefix_beam_search', but this icefall-transducer model knows greedy_search"
    with pytest.raises(RepositoryError, match=message):
        spec.check_fit(TRANSDUCER_SPEC, Choices(decoding="prefix_beam_search"))


def test_a_beam_wider_than_the_rescorers_is_refused() -> None:
    facts = dataclasses.replace(TRANSDUCER_SPEC, rescorer=Rescorer(10, 2, 2, True))
    spec.check_fit(facts, Choices(beam=10))
    with pytest.raises(RepositoryError, match=r"beam is 11, but .* takes 10 hypotheses"):
        spec.check_fit(facts, Choices(beam=11))


CTC = dataclasses.replace(TRANSDUCER_SPEC, head="ctc")
RESCORER = Rescorer(10, 2, 2, is_bidirectional=True)
WENET = dataclasses.replace(TRANSDUCER_SPEC, head="ctc_attention", rescorer=RESCORER)
CIF = dataclasses.replace(TRANSDUCER_SPEC, head="cif")


@pytest.mark.parametrize("name", ["lm", "hotwords"])
@pytest.mark.parametrize(
    ("facts", "beam"),
    [
        (TRANSDUCER_SPEC, "modified_beam_search"),
        (CTC, "prefix_beam_search"),
        (WENET, "attention_rescoring"),
    ],
    ids=["transducer", "ctc", "ctc_attention"],
)
def test_a_file_that_a_greedy_search_would_not_read_is_refused(
    facts: PipelineSpec, beam: str, name: str
) -> None:
    choices = Choices(**{name: "some.file"})  # type: ignore[arg-type]
    with pytest.raises(RepositoryError) as raised:
        spec.check_fit(facts, choices)
    assert str(raised.value) == (
        f"parameter {name} is 'some.file', but decoding is greedy_search, which has no use for "
        f"it; set decoding to {beam}"
    )


@pytest.mark.parametrize("name", ["lm", "hotwords"])
def test_a_file_of_a_model_without_a_beam_is_refused(name: str) -> None:
    choices = Choices(**{name: "some.file"})  # type: ignore[arg-type]
    with pytest.raises(RepositoryError, match="leave it empty: this model has no beam"):
        spec.check_fit(CIF, choices)


@pytest.mark.parametrize(
    ("facts", "decoding"),
    [
        (TRANSDUCER_SPEC, "modified_beam_search"),
        (CTC, "prefix_beam_search"),
        (WENET, "prefix_beam_search"),
        (WENET, "attention_rescoring"),
    ],
)
def test_every_beam_reads_files(facts: PipelineSpec, decoding: Decoding) -> None:
    spec.check_fit(facts, Choices(decoding=decoding, lm="lm.arpa", hotwords="hotwords.txt"))
