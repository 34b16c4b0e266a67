import pytest

from auricle.errors import InvalidRequestError
from auricle.serve.backend.stream_parameters import StreamMenu
from auricle.serve.backend.values import Value
from auricle.serve.decode.endpoint import NEVER, Rules

MENU = StreamMenu(16000, Rules(rule1=3.0, rule2=0.8, rule3=15.0))


def test_what_asks_for_nothing_gets_nothing() -> None:
    options = MENU.read({"sequence_label": "theirs"}, is_first=True)
    assert (options.finalizes, options.rules) == (False, None)


@pytest.mark.parametrize("yes", [True, 1, 1.0, "true", "True", "1", "yes", "on"])
def test_every_way_to_say_yes_ends_the_segment(yes: Value) -> None:
    assert MENU.read({"asr_finalize": yes}, is_first=True).finalizes


@pytest.mark.parametrize("no", [False, 0, 0.0, "false", "0", "no", "off"])
def test_every_way_to_say_no_goes_on(no: Value) -> None:
    assert not MENU.read({"asr_finalize": no}, is_first=True).finalizes


def test_yes_gives_the_rules_of_the_model() -> None:
    assert MENU.read({"asr_endpoint": "true"}, is_first=True).rules == MENU.rules


def test_no_turns_endpoints_off() -> None:
    assert MENU.read({"asr_endpoint": False}, is_first=True).rules == NEVER


def test_a_caller_s_thresholds_stand_over_those_of_the_model() -> None:
    rules = MENU.read({"asr_endpoint": '{"rule2": 0.5, "rule3": 30}'}, is_first=True).rules
    assert rules == Rules(rule1=3.0, rule2=0.5, rule3=30.0)


@pytest.mark.parametrize(
    "asked",
    ["maybe", "2", '{"rule4": 1}', '{"rule2": 0}', '{"rule2": "1"}', '{"rule2": NaN}', "[]"],
)
def test_what_is_no_endpoint_is_answered_with_those_there_are(asked: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"asr_endpoint is .*rule1, rule2, rule3"):
        MENU.read({"asr_endpoint": asked}, is_first=True)


def test_what_is_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="asr_finalize is 'soon'; give true or false"):
        MENU.read({"asr_finalize": "soon"}, is_first=True)


def test_another_rate_is_answered_with_both() -> None:
    with pytest.raises(InvalidRequestError, match=r"asr_sample_rate is 8000 Hz, .* 16000 Hz"):
        MENU.read({"asr_sample_rate": 8000}, is_first=True)


def test_an_unknown_parameter_of_ours_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"asr_language.*asr_endpoint, asr_finalize"):
        MENU.read({"asr_language": "en"}, is_first=True)
