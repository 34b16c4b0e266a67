"""What a request may ask of a search with a beam."""

import dataclasses

import numpy as np
import pytest

from auricle.hotword_files import Hotword
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.parameters import Menu
from auricle.serve.backend.stream_parameters import StreamMenu
from auricle.serve.backend.values import Value
from auricle.serve.decode.context_graph import ContextGraph
from auricle.serve.decode.endpoint import Rules
from auricle.serve.hotword_graphs import HotwordGraphs
from auricle.serve.options import BeamOptions, DecodingOptions
from auricle.serve.phrases import PhraseTokens
from auricle.serve.scorers import Phrases
from auricle.spec import Choices, Decoding, PipelineSpec, Rescorer
from tests.conftest import TRANSDUCER_SPEC

SYMBOLS = ["<blk>", "<sos/eos>", "<unk>", "▁LEFT", "▁RIGHT"]
CTC = dataclasses.replace(TRANSDUCER_SPEC, head="ctc")
WENET = dataclasses.replace(
    TRANSDUCER_SPEC, head="ctc_attention", rescorer=Rescorer(10, 2, 2, is_bidirectional=True)
)
CIF = dataclasses.replace(TRANSDUCER_SPEC, head="cif")
WITH_LM = Choices(decoding="modified_beam_search", beam=4, lm="lm.arpa", lm_weight=0.4)


def make(
    spec: PipelineSpec, choices: Choices | None = None, given: tuple[Hotword, ...] = ()
) -> Menu:
    encode = PhraseTokens(SYMBOLS, "bpe", (0, 2)).encode
    has_beam = spec.head != "cif"
    phrases = Phrases(given, HotwordGraphs(encode, is_strict=False)) if has_beam else None
    return Menu(spec, choices or Choices(), SYMBOLS, phrases)


def read(menu: Menu, **parameters: Value) -> DecodingOptions:
    return menu.read(parameters)


def refusal(menu: Menu, **parameters: Value) -> UnfitRequestError:
    with pytest.raises(UnfitRequestError) as raised:
        menu.read(parameters)
    return raised.value


def worth(graph: ContextGraph | None, *tokens: int) -> float:
    """What the hotwords give tokens and their end."""
    assert graph
    states, total = np.zeros(1, np.int64), 0.0
    for token in tokens:
        added, states = graph.step(states, np.array([token]))
        total += float(added[0])
    return total + float(graph.finish(states)[0])


def test_who_asks_for_nothing_gets_what_config_pbtxt_says() -> None:
    choices = dataclasses.replace(WITH_LM, blank_penalty=0.5, lm_word_bonus=-1.0)
    expected = BeamOptions(4, blank_penalty=0.5, lm_weight=0.4, lm_word_bonus=-1.0)
    assert read(make(TRANSDUCER_SPEC, choices)).beam == expected


def test_a_weight_without_a_language_model_is_none() -> None:
    assert read(make(CTC, Choices(lm_weight=0.4))).beam.lm_weight == 0


@pytest.mark.parametrize("asked", [3, 3.0, "3", "3.0"])
def test_numbers_may_be_texts(asked: Value) -> None:
    names = ("beam", "nbest", "blank_penalty", "lm_weight", "lm_word_bonus")
    parameters = {f"asr_{name}": asked for name in names}
    found = read(make(TRANSDUCER_SPEC, WITH_LM), **parameters).beam
    assert found == BeamOptions(3, 3, 3.0, 3.0, 3.0)


@pytest.mark.parametrize(
    ("name", "asked", "bounds"),
    [
        ("asr_beam", 21, "1 to 20"),
        ("asr_beam", 0, "1 to 20"),
        ("asr_beam", "", "1 to 20"),
        ("asr_beam", True, "1 to 20"),
        ("asr_nbest", 21, "1 to 20"),
        ("asr_nbest", "nan", "1 to 20"),
        ("asr_blank_penalty", -0.1, "0 to 100"),
        ("asr_lm_weight", 10.5, "0 to 10"),
        ("asr_lm_weight", -1, "0 to 10"),
        ("asr_lm_word_bonus", "inf", "-100 to 100"),
        ("asr_hotwords_score", -101, "-100 to 100"),
    ],
)
def test_a_number_out_of_bounds_is_refused_with_them(name: str, asked: Value, bounds: str) -> None:
    error = refusal(make(TRANSDUCER_SPEC, WITH_LM), **{name: asked})
    assert str(error) == f"{name} is {asked!r}; give a number from {bounds}"


@pytest.mark.parametrize("name", ["asr_beam", "asr_nbest"])
def test_half_a_hypothesis_is_refused(name: str) -> None:
    error = refusal(make(CTC), **{name: 2.5})
    assert (error.reason, str(error)) == ("beam", f"{name} is 2.5; give a whole number")


def test_config_pbtxt_bounds_what_is_asked() -> None:
    menu = make(CTC, Choices(max_beam=6, max_nbest=2))
    assert str(refusal(menu, asr_beam=7)).endswith("from 1 to 6")
    assert str(refusal(menu, asr_nbest=3)).endswith("from 1 to 2")


def test_a_beam_is_no_wider_than_the_rescorer() -> None:
    menu = make(WENET, Choices(decoding="attention_rescoring"))
    assert str(refusal(menu, asr_beam=11)).endswith("from 1 to 10")


def test_the_beam_of_config_pbtxt_may_be_wider_than_a_request_s() -> None:
    assert read(make(CTC, Choices(beam=50))).beam.width == 50


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("asr_beam", 2), ("asr_nbest", 1), ("asr_hotwords", "left"), ("asr_hotwords_score", 2.0),
        ("asr_blank_penalty", 1.0),
    ],
)  # fmt: skip
def test_what_only_a_beam_can_give_chooses_it(name: str, asked: Value) -> None:
    assert read(make(TRANSDUCER_SPEC), **{name: asked}).decoding == "modified_beam_search"


@pytest.mark.parametrize("nothing", ["", "  ", "[]", "{}", " [] "])
def test_no_hotwords_leave_a_greedy_model_greedy(nothing: str) -> None:
    assert read(make(CTC), asr_hotwords=nothing) == read(make(CTC))
    assert read(make(CTC), asr_hotwords=nothing, asr_decoding="greedy_search") == read(make(CTC))


@pytest.mark.parametrize(
    ("spec", "beam"), [(TRANSDUCER_SPEC, "modified_beam_search"), (CTC, "prefix_beam_search")]
)
@pytest.mark.parametrize(
    ("name", "asked"), [("asr_beam", 2), ("asr_hotwords", "left"), ("asr_hotwords_score", 2.0)]
)
def test_a_greedy_search_that_is_asked_for_is_refused_beside_it(
    spec: PipelineSpec, beam: str, name: str, asked: Value
) -> None:
    error = refusal(make(spec), asr_decoding="greedy_search", **{name: asked})
    assert error.reason == "decoding"
    assert str(error) == (
        f"{name} is asked for, but so is asr_decoding greedy_search, which has no use for it; ask "
        f"for {beam}, or leave one of them out"
    )


@pytest.mark.parametrize("default", ["attention_rescoring", "prefix_beam_search"])
def test_a_model_s_own_beam_stays(default: Decoding) -> None:
    menu = make(WENET, Choices(decoding=default))
    assert read(menu, asr_nbest=2, asr_hotwords="left").decoding == default


def test_a_beam_may_be_asked_for_by_name() -> None:
    menu = make(WENET, Choices(decoding="attention_rescoring"))
    found = read(menu, asr_nbest=2, asr_decoding="prefix_beam_search")
    assert (found.decoding, found.beam.nbest) == ("prefix_beam_search", 2)


@pytest.mark.parametrize("name", ["asr_lm_weight", "asr_lm_word_bonus"])
def test_weights_without_a_language_model_are_refused(name: str) -> None:
    error = refusal(make(CTC), **{name: 0.5})
    assert error.reason == "lm"
    assert str(error) == (
        f"{name} is 0.5, but this model has no language model; build it with --lm FILE, or name a "
        "file as lm in config.pbtxt"
    )


def test_a_model_without_a_beam_takes_nbest_alone() -> None:
    assert read(make(CIF), asr_nbest=3).decoding == "greedy_search"
    for name in ("asr_beam", "asr_blank_penalty", "asr_lm_weight", "asr_hotwords_score"):
        assert refusal(make(CIF), **{name: 1}).reason == "unknown_parameter"


def test_only_transducers_have_a_blank_penalty() -> None:
    error = refusal(make(CTC), asr_blank_penalty=1)
    assert error.reason == "unknown_parameter"


@pytest.mark.parametrize(
    ("asked", "left", "right"),
    [
        ("left", 1.5, 0.0),
        ("left right", 1.5, 1.5),
        ('["left right"]', 0.0, 0.0),
        ('{"left": 2, "right": -1.0}', 2.0, -1.0),
        ('{"left": null, "right": "0.5"}', 1.5, 0.5),
        ("left :3.0/right", 3.0, 1.5),
        ("LEFT :3.0", 3.0, 0.0),
    ],
)
def test_hotwords_come_in_every_form(asked: str, left: float, right: float) -> None:
    graph = read(make(CTC), asr_hotwords=asked).beam.hotwords
    assert (worth(graph, 3), worth(graph, 4)) == (left, right)


def test_a_score_is_of_those_that_have_none() -> None:
    graph = read(make(CTC), asr_hotwords="left/right :0.5", asr_hotwords_score=4).beam.hotwords
    assert (worth(graph, 3), worth(graph, 4)) == (4.0, 0.5)


@pytest.mark.parametrize("asked", ["left :1e308", '{"left": -101}', '{"right": 1, "left": 200}'])
def test_a_score_that_would_drown_the_network_is_refused(asked: str) -> None:
    error = refusal(make(CTC), asr_hotwords=asked)
    assert error.reason == "hotwords"
    assert str(error).startswith("asr_hotwords: the score of 'left' is ")
    assert str(error).endswith("; give a number from -100 to 100")


GIVEN = (Hotword("right", 2.0), Hotword("left"))


def test_hotwords_of_config_pbtxt_are_every_request_s() -> None:
    graph = read(make(CTC, given=GIVEN)).beam.hotwords
    assert (worth(graph, 3), worth(graph, 4)) == (1.5, 2.0)


def test_a_request_s_hotwords_stand_beside_those_of_config_pbtxt() -> None:
    graph = read(make(CTC, given=GIVEN[:1]), asr_hotwords="left :9").beam.hotwords
    assert (worth(graph, 3), worth(graph, 4)) == (9.0, 2.0)


def test_a_request_s_score_is_of_those_of_config_pbtxt_too() -> None:
    graph = read(make(CTC, given=GIVEN), asr_hotwords_score=7).beam.hotwords
    assert (worth(graph, 3), worth(graph, 4)) == (7.0, 2.0)


def test_equal_lists_are_one_graph() -> None:
    menu = make(CTC)
    first, again = (read(menu, asr_hotwords="left").beam.hotwords for _ in range(2))
    assert first is again


def test_a_hotword_that_cannot_be_spelled_is_refused() -> None:
    error = refusal(make(CTC), asr_hotwords="left 北")
    assert error.reason == "hotwords"
    assert str(error) == (
        "asr_hotwords: hotword '北' has characters that no token of this model has: '北'"
    )


@pytest.mark.parametrize("name", ["asr_beam", "asr_nbest", "asr_lm_weight", "asr_hotwords_score"])
def test_what_is_long_is_not_echoed_whole(name: str) -> None:
    menu = make(TRANSDUCER_SPEC, WITH_LM)
    assert len(str(refusal(menu, **{name: "9" * 10_000}))) < 250


STREAMS = StreamMenu(16000, Rules(), make(TRANSDUCER_SPEC, WITH_LM).beam)


def test_a_stream_s_first_chunk_says_its_search() -> None:
    found = STREAMS.read({"asr_hotwords": "left", "asr_lm_weight": 0}, is_first=True).beam
    assert found
    assert (found.lm_weight, worth(found.hotwords, 3)) == (0.0, 1.5)


def test_a_later_chunk_may_say_it_again_to_no_effect() -> None:
    assert STREAMS.read({"asr_hotwords": "right"}, is_first=False).beam is None


@pytest.mark.parametrize("name", ["asr_beam", "asr_blank_penalty", "asr_decoding"])
def test_what_all_streams_share_is_not_asked_for(name: str) -> None:
    with pytest.raises(UnfitRequestError, match=rf"'{name}'.*asr_hotwords, .*asr_lm_word_bonus"):
        STREAMS.read({name: 1}, is_first=True)


@pytest.mark.parametrize("name", ["asr_hotwords", "asr_lm_weight"])
def test_streams_without_a_beam_take_none_of_it(name: str) -> None:
    with pytest.raises(UnfitRequestError, match=f"unknown request parameters .*{name}"):
        StreamMenu(16000, Rules()).read({name: "1"}, is_first=True)
