"""How two models compare, and when the second may be written."""

from pathlib import Path

import pytest

from auricle.client.scoring import Unit
from auricle.errors import AccuracyError, ManifestError
from auricle.gate.decoding import Decoded, Model
from auricle.gate.speech import Speech, read_speech
from auricle.gate.verdict import Comparison, Heard, Label, compare
from tests.gate.conftest import SPEECH

WORDS = 1000


def heard(name: str, errors: int, unit: Unit = "word") -> Heard:
    """A model that misses so many of a thousand words, at 500 times real time."""
    speech = Speech((), {"a": "w " * WORDS}, unit)
    transcripts = {"a": "w " * (WORDS - errors)}
    return Heard(name, speech.score(transcripts), Decoded(transcripts, 1000.0, 2.0))


def test_the_table_has_a_row_a_model() -> None:
    label = Label("demo", "test", 0.0312)
    comparison = Comparison(heard("fp32", 20), heard("int8", 22), label)
    assert comparison.report() == (
        "accuracy  model  set   precision   WER  errors  words  audio s/s  difference",
        "accuracy  demo   test  fp32       2.00      20   1000      500.0           0",
        "accuracy  demo   test  int8       2.20      22   1000      500.0       0.031",
        "accuracy  int8 changes WER by +0.20 points",
    )


def test_characters_are_named_so() -> None:
    report = Comparison(heard("fp32", 20, "mixed"), heard("int8", 20, "mixed")).report()
    assert report[0].split() == [
        "accuracy", "model", "set", "precision", "CER", "errors", "characters", "audio", "s/s",
        "difference",
    ]  # fmt: skip


def test_a_rise_up_to_the_bound_passes() -> None:
    Comparison(heard("fp32", 20), heard("int8", 25)).check(max_rise=0.5)


def test_a_rise_beyond_the_bound_is_refused_with_its_figures() -> None:
    with pytest.raises(
        AccuracyError, match=r"int8 has 2\.60 % WER where fp32 has 2\.00 %, 0\.60 points more; 0\.5"
    ):
        Comparison(heard("fp32", 20), heard("int8", 26)).check(max_rise=0.5)


def test_a_fall_passes_without_any_leave() -> None:
    Comparison(heard("fp32", 20), heard("int8", 19)).check(max_rise=0.0)


@pytest.mark.onnx
def test_equal_models_hear_the_same(plain: Model) -> None:
    speech = read_speech(SPEECH, min_units=100)
    told: list[int] = []
    comparison = compare((plain, plain), speech, told.append)
    assert comparison.rise == 0
    assert sum(told) == 80


@pytest.mark.onnx
def test_speech_that_the_plain_model_does_not_know_judges_nothing(
    plain: Model, tmp_path: Path
) -> None:
    lines = (SPEECH / "wav.scp").read_text().splitlines()[:4]
    paths = [line.split(maxsplit=1) for line in lines]
    (tmp_path / "wav.scp").write_text("".join(f"{n} {SPEECH / p}\n" for n, p in paths))
    (tmp_path / "text").write_text("".join(f"{name} guten Morgen\n" for name, _ in paths))
    with pytest.raises(ManifestError, match="of another language"):
        compare((plain, plain), read_speech(tmp_path, min_units=1), lambda _: None)
