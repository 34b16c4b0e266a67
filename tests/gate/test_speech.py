"""Which transcribed speech can judge a model."""

from pathlib import Path

import pytest

from auricle.errors import ManifestError
from auricle.gate.speech import MIN_UNITS, read_speech


def write(folder: Path, texts: dict[str, str], file_name: str = "text") -> Path:
    (folder / "wav.scp").write_text("".join(f"{name} {name}.wav\n" for name in texts))
    lines = [f"{name} {text}\n" for name, text in texts.items()]
    (folder / file_name).write_text("".join(lines), encoding="utf-8")
    return folder


def test_half_a_point_is_ten_words_at_least() -> None:
    assert MIN_UNITS * 0.5 / 100 == 10


def test_a_small_set_is_refused_with_its_size(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a": "one two", "b": "three"})
    with pytest.raises(ManifestError, match=r"has 3 reference words in 2 utterances .* 2000: give"):
        read_speech(folder)


def test_a_set_of_just_enough_words_is_taken(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a": "one " * 1999, "b": "two"})
    assert read_speech(folder).num_units == 2000


def test_chinese_is_counted_in_characters(tmp_path: Path) -> None:
    speech = read_speech(write(tmp_path, {"a": "今天 上海", "b": "ok"}), min_units=1)
    assert (speech.unit, speech.num_units) == ("mixed", 5)


def test_trans_txt_is_read_too(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a": "one"}, "trans.txt")
    assert read_speech(folder, min_units=1).references == {"a": "one"}


def test_only_words_with_audio_count(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a": "one two", "b": "three"})
    (folder / "wav.scp").write_text("a a.wav\nc c.wav\n")
    speech = read_speech(folder, min_units=1)
    assert [one.id for one in speech.utterances] == ["a"]
    assert speech.num_units == 2


def test_a_folder_without_transcripts_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a": "one"})
    (folder / "text").unlink()
    with pytest.raises(ManifestError, match=r"neither trans\.txt nor text"):
        read_speech(folder)


def test_case_and_punctuation_do_not_count(tmp_path: Path) -> None:
    speech = read_speech(write(tmp_path, {"a": "Turn left, please."}), min_units=1)
    assert speech.score({"a": "TURN LEFT PLEASE"}).error_rate == 0


def test_what_was_not_heard_is_deleted(tmp_path: Path) -> None:
    speech = read_speech(write(tmp_path, {"a": "one two", "b": "three"}), min_units=1)
    assert speech.score({"a": "one two"}).counts.deletions == 1
