"""What a search with a beam may be asked for, by the model's head."""

import dataclasses
from pathlib import Path

import pytest

from auricle import wire
from auricle.serve.backend.aids import load_phrases
from auricle.serve.backend.beam_parameters import BeamMenu
from auricle.serve.options import BeamOptions
from auricle.spec import BEAM_SEARCHES, Choices, Head
from tests.conftest import TRANSDUCER_SPEC

TRANSDUCERS: tuple[Head, ...] = ("transducer", "recurrent_transducer")


@pytest.mark.parametrize("head", BEAM_SEARCHES)
def test_only_transducers_take_a_blank_penalty(head: Head) -> None:
    facts = dataclasses.replace(TRANSDUCER_SPEC, head=head)
    known = BeamMenu(facts, Choices(), BeamOptions(), None).known
    assert (wire.ASR_BLANK_PENALTY in known) == (head in TRANSDUCERS)
    assert {wire.ASR_NBEST, wire.ASR_BEAM, wire.ASR_HOTWORDS_SCORE} <= set(known)


@pytest.mark.parametrize("head", BEAM_SEARCHES)
def test_hotwords_of_transducers_begin_anew_behind_a_phrase(head: Head, tmp_path: Path) -> None:
    facts = dataclasses.replace(TRANSDUCER_SPEC, head=head)
    phrases = load_phrases(facts, Choices(), tmp_path, ["<blk>", "a", "b"])
    assert phrases
    assert phrases.compile._is_strict == (head not in TRANSDUCERS)
