import json

import pytest

from auricle.client.results import Alternative, Result, Segment, Token, Word, parse_result
from auricle.errors import AuricleError

TAGS = {"emotion": "HAPPY", "event": None}
RECORD = {
    "model": "demo",
    "text": "one two",
    "language": "en",
    "tags": TAGS,
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
            "endpoint": "rule2",
            "tokens": [{"text": "▁one", "start": 0.1, "confidence": 0.9}],
            "words": [{"text": "one", "start": 0.1, "end": None, "confidence": None}],
            "nbest": [{"text": "one too", "score": -1.5}],
        }
    ],
}


def test_every_field_of_the_schema_is_read() -> None:
    segment = Segment(
        0, 0.0, 1.5, "one two", endpoint="rule2",
        tokens=(Token("▁one", 0.1, 0.9),),
        words=(Word("one", 0.1, None, None),),
        nbest=(Alternative("one too", -1.5),),
    )  # fmt: skip
    expected = Result("demo", "one two", "en", TAGS, 1.5, segments=(segment,))
    assert parse_result(json.dumps(RECORD)) == expected


def test_a_newer_server_may_say_more() -> None:
    words = [{"text": "one", "speaker": 1}]
    newer = {**RECORD, "mood": "calm", "segments": [{**RECORD["segments"][0], "words": words}]}  # type: ignore[index]
    assert parse_result(json.dumps(newer)).words == (Word("one"),)


@pytest.mark.parametrize("unknown", [{}, {"language": None, "tags": None}])
def test_what_is_absent_is_empty(unknown: dict[str, None]) -> None:
    bare = {"model": "demo", "text": "", "segments": [{"id": 0, "start": 0, "end": 1, "text": ""}]}
    result = parse_result(json.dumps(bare | unknown))
    assert result.segments == (Segment(0, 0, 1, ""),)
    assert (result.language, result.tags) == (None, {})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"model": "demo", "text": "", "segments": [{}]}']
)
def test_another_schema_is_refused(text: str) -> None:
    with pytest.raises(AuricleError, match="not in Auricle's schema"):
        parse_result(text)
