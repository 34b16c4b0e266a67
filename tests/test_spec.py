import dataclasses
import json
from pathlib import Path

import pytest

from auricle import spec
from auricle.errors import RepositoryError
from auricle.spec import Choices, Rescorer, Streaming
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
