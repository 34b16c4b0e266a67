import json

import pytest

from auricle.client.results import Alternative, Result, Segment, Token, Word, parse_result
from auricle.errors import AuricleError

RECORD = {
    "model": "demo",
    "text": "one two",
    "language": None,
    "tags": ["speech"],
    "audio_seconds": 1.5,
    "is_final": True,
    "stable": None,
    "delta": None,
    "segments": [
        {
            "id": 0,
            "start": 0.0,
            "end": 1.5,
            "text": "one two",
            "final": True,
            "endpoint": False,
            "tokens": [{"text": "▁one", "start": 0.1, "confidence": 0.9}],
            "words": [{"text": "one", "start": 0.1, "end": None, "confidence": None}],
            "nbest": [{"text": "one too", "score": -1.5}],
        }
    ],
}


def test_every_field_of_the_schema_is_read() -> None:
    segment = Segment(
        0, 0.0, 1.5, "one two", endpoint=False,
        tokens=(Token("▁one", 0.1, 0.9),),
        words=(Word("one", 0.1, None, None),),
        nbest=(Alternative("one too", -1.5),),
    )  # fmt: skip
    expected = Result("demo", "one two", None, ("speech",), 1.5, segments=(segment,))
    assert parse_result(json.dumps(RECORD)) == expected


def test_a_newer_server_may_say_more() -> None:
    words = [{"text": "one", "speaker": 1}]
    newer = {**RECORD, "mood": "calm", "segments": [{**RECORD["segments"][0], "words": words}]}  # type: ignore[index, dict-item]
    assert parse_result(json.dumps(newer)).words == (Word("one"),)


def test_absent_lists_are_empty() -> None:
    bare = {"model": "demo", "text": "", "segments": [{"id": 0, "start": 0, "end": 1, "text": ""}]}
    assert parse_result(json.dumps(bare)).segments == (Segment(0, 0, 1, ""),)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"model": "demo", "text": "", "segments": [{}]}']
)
def test_another_schema_is_refused(text: str) -> None:
    with pytest.raises(AuricleError, match="not in Auricle's schema"):
        parse_result(text)
