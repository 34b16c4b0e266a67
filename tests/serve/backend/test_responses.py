"""RESULT as callers get it; Triton's own module is not needed for its text."""

import importlib
import json
import sys
from types import ModuleType

import pytest

from auricle.serve.backend.outcomes import Utterance
from auricle.serve.tokens import Alternative, Part, Transcript

NBEST = (Alternative("left", -0.123456), Alternative("lift", -2.0), Alternative("loft", None))


@pytest.fixture
def responses(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    name = "auricle.serve.backend.responses"
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", ModuleType("pb_utils"))
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    monkeypatch.delitem(sys.modules, name)
    return module


def segments(responses: ModuleType, transcript: Transcript) -> list[dict[str, object]]:
    text = responses.format_result(Utterance(transcript, 2.0), "demo")
    found: list[dict[str, object]] = json.loads(text)["segments"]
    return found


def test_nbest_stand_in_the_segment_with_scores_of_four_digits(responses: ModuleType) -> None:
    (segment,) = segments(responses, Transcript("left", [], [], nbest=NBEST))
    assert segment["nbest"] == [
        {"text": "left", "score": -0.1235},
        {"text": "lift", "score": -2.0},
        {"text": "loft", "score": None},
    ]


def test_nbest_is_null_where_there_are_none(responses: ModuleType) -> None:
    (segment,) = segments(responses, Transcript("left", [], []))
    assert segment["nbest"] is None


def test_every_part_has_its_own_nbest(responses: ModuleType) -> None:
    parts = (
        Part(0.0, 1.0, Transcript("left", [], [], nbest=NBEST[:1])),
        Part(1.0, 2.0, Transcript("right", [], [])),
    )
    first, second = segments(responses, Transcript("left right", [], [], parts=parts))
    assert first["nbest"] == [{"text": "left", "score": -0.1235}]
    assert second["nbest"] is None
