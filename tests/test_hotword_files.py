from pathlib import Path

import pytest

from auricle.errors import InvalidRequestError, ManifestError
from auricle.hotword_files import Hotword, parse_pair, parse_phrase, read_hotwords


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("HELLO WORLD", Hotword("HELLO WORLD")),
        ("  HELLO   WORLD :2.5 ", Hotword("HELLO WORLD", 2.5)),
        ("你好 :-1", Hotword("你好", -1.0)),
        ("a:b", Hotword("a:b")),
        ("  ", None),
    ],
)
def test_a_line_is_a_phrase_with_its_score(line: str, expected: Hotword | None) -> None:
    assert parse_phrase(line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("HELLO :2 WORLD", "'HELLO :2 WORLD' has words behind its score; a score comes last"),
        ("HELLO :two", "'two' is no score; give a number, such as 1.5"),
        ("HELLO :", "'' is no score"),
        ("HELLO :nan", "'nan' is no score"),
        (":2", "':2' is a score without a phrase"),
        ("HELLO :" + "9" * 400, r"'9{40}'\.\.\. is no score"),
    ],
)
def test_a_line_that_is_none_is_refused(line: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parse_phrase(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("邓郁松: 100", Hotword("邓郁松", 100.0, is_whole=True)),
        ("the word : -3.5  # not this one", Hotword("the word", -3.5, is_whole=True)),
        ("'12:30': 1", Hotword("12:30", 1.0, is_whole=True)),
        ('"one": 1e1', Hotword("one", 10.0, is_whole=True)),
        ("# a comment", None),
        ("---", None),
        ("", None),
    ],
)
def test_a_pair_of_yaml_is_a_word_with_its_score(line: str, expected: Hotword | None) -> None:
    assert parse_pair(line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("word", "'word' is not `word: score`"),
        (": 100", "': 100' is not `word: score`"),
        ("- word", "'- word' is not"),
        ("word: [1, 2]", r"'\[1, 2\]' is no score"),
    ],
)
def test_a_pair_that_is_none_is_refused(line: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parse_pair(line)


def test_a_file_is_read_by_its_ending(tmp_path: Path) -> None:
    (tmp_path / "hotwords.yaml").write_text("one: 1\n\ntwo: -2\none: 3\n", encoding="utf-8")
    (tmp_path / "hotwords.txt").write_text("\ufeffONE TWO :2\n\nTHREE\r\n", encoding="utf-8")
    assert read_hotwords(tmp_path / "hotwords.yaml") == (
        Hotword("one", 3.0, is_whole=True),
        Hotword("two", -2.0, is_whole=True),
    )
    assert read_hotwords(tmp_path / "hotwords.txt") == (Hotword("ONE TWO", 2.0), Hotword("THREE"))


def test_what_is_wrong_in_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "hotwords.yml"
    path.write_text("one: 1\ntwo\n")
    with pytest.raises(ManifestError, match=r"hotwords\.yml, line 2: 'two' is not"):
        read_hotwords(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ManifestError, match="is not UTF-8"):
        read_hotwords(path)
    with pytest.raises(ManifestError, match=r"cannot read .*: No such file"):
        read_hotwords(tmp_path / "absent.txt")
