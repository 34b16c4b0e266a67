import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auricle.hotword_files import Hotword
from auricle.serve.backend.hotword_lists import (
    MAX_HOTWORDS,
    MAX_HOTWORDS_LENGTH,
    read_hotwords,
    read_words,
)
from auricle.serve.backend.outcomes import UnfitRequestError
from auricle.serve.backend.values import Value


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, ()),
        (" ", ()),
        ("[]", ()),
        ("{}", ()),
        ("one two", (Hotword("one"), Hotword("two"))),
        ("one one", (Hotword("one"),)),
        ('["one  two", "three"]', (Hotword("one two"), Hotword("three"))),
        ('{"one two": 2, "three": -1.5}', (Hotword("one two", 2.0), Hotword("three", -1.5))),
        ('{"one": "2.5", "two": null}', (Hotword("one", 2.5), Hotword("two"))),
        ("ONE TWO :2.0/THREE FOUR", (Hotword("ONE TWO", 2.0), Hotword("THREE FOUR"))),
        ("ONE TWO :2.0", (Hotword("ONE TWO", 2.0),)),
        ("ONE TWO/", (Hotword("ONE TWO"),)),
        ("语音识别/深度学习 :3", (Hotword("语音识别"), Hotword("深度学习", 3.0))),
    ],
)
def test_every_form_of_a_list_is_read(asked: Value, expected: tuple[Hotword, ...]) -> None:
    assert read_hotwords(asked) == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (3, "asr_hotwords is 3; give words with spaces between, a JSON list"),
        (True, "asr_hotwords is True; give words"),
        ('["one", 2]', "; give words with spaces between, a JSON list of phrases, a JSON object"),
        ('["one"', "; give words"),
        ("[" * 60_000, "; give words"),
        ('{"one": true}', "asr_hotwords: True is no score; give a number"),
        ('{"one": [1]}', r"asr_hotwords: \[1\] is no score"),
        ('{"one": NaN}', "asr_hotwords: 'nan' is no score"),
        ("one :x/two", "asr_hotwords: 'x' is no score"),
        ("one :1 two/three", "asr_hotwords: 'one :1 two' has words behind its score"),
        ("a" * (MAX_HOTWORDS_LENGTH + 1), "asr_hotwords has 65537 characters, but"),
        (" ".join(map(str, range(MAX_HOTWORDS + 1))), "asr_hotwords has 1001 words, but"),
    ],
)
def test_what_is_no_list_is_refused(asked: Value, message: str) -> None:
    with pytest.raises(UnfitRequestError, match=message) as raised:
        read_hotwords(asked)
    assert raised.value.reason == "hotwords"
    assert len(str(raised.value)) < 250


WORDS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.dictionaries(WORDS.map(lambda text: " ".join(text.split())), st.floats(-9, 9)))
def test_a_json_object_is_what_was_meant(scores: dict[str, float]) -> None:
    expected = tuple(Hotword(*pair) for pair in scores.items())
    assert read_hotwords(json.dumps(scores)) == expected
    assert read_hotwords(json.dumps(list(scores))) == tuple(map(Hotword, scores))


def test_a_model_that_embeds_words_takes_them_as_they_are() -> None:
    assert read_words("a/b c :2 c") == ["a/b", "c", ":2"]
    assert read_words('["a b", "c"]') == ["a b", "c"]
