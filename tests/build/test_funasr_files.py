"""The files beside FunASR's graphs, and what a broken one is answered."""

import json
from pathlib import Path

import numpy as np
import pytest

from auricle.build.checkpoint.funasr import read_cmvn, read_token_list
from auricle.build.checkpoint.yaml_files import Value, number, read_yaml
from auricle.build.families._funasr import read_frontend
from auricle.errors import CheckpointError

ASSETS = Path(__file__).parents[2] / "assets" / "sense-voice"


def test_statistics_normalise_a_frame() -> None:
    shift, scale = read_cmvn(ASSETS / "am.mvn", 560)
    assert shift.shape == scale.shape == (560,)
    assert (shift < 0).all()  # minus the mean of a log energy of samples in 16-bit range
    assert (scale > 0).all()


def test_statistics_of_another_size_are_refused() -> None:
    with pytest.raises(CheckpointError, match="560 values a frame, but the graph takes 80"):
        read_cmvn(ASSETS / "am.mvn", 80)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "0 and 0 values"),
        ("<AddShift> 2 2\n<LearnRateCoef> 0 [ 1 x ]", "broken behind <AddShift>"),
        ("<AddShift> 2 2\n<LearnRateCoef> 0 [ 1 2 ]", "2 and 0 values"),
        ("<AddShift>\n0 [ 1 nan ]\n<Rescale>\n0 [ 1 2 ]", "values that are no numbers"),
    ],
)
def test_broken_statistics_are_refused(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "am.mvn").write_text(text)
    with pytest.raises(CheckpointError, match=sentence):
        read_cmvn(tmp_path / "am.mvn", 2)


def test_the_list_of_tokens_is_that_of_the_sentencepiece_model() -> None:
    pieces = read_token_list(ASSETS / "chn_jpn_yue_eng_ko_spectok.bpe.model")
    assert pieces == read_token_list(ASSETS / "tokens.json")


@pytest.mark.parametrize(
    ("symbols", "kind"),
    [
        (["<blank>", "<s>", "</s>", "a@@", "b", "明", "<unk>"], "at_bpe"),
        (["<blank>", "<s>", "</s>", "明", "天", "<unk>"], "char"),
        (["<blank>", "<unk>", "▁a", "b", "明"], "bpe"),
    ],
)
def test_the_kind_of_tokens_is_seen(symbols: list[str], kind: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps(symbols))
    table = read_token_list(path)
    assert (table.kind, table.blank_id) == (kind, 0)
    assert table.unk_id == symbols.index("<unk>")


@pytest.mark.parametrize("text", ["{}", "[]", '["a", "a"]', "[1, 2]", "[", "\xff"])
def test_what_is_no_list_of_tokens_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"tokens\.json"):
        read_token_list(path)


def test_what_is_no_sentencepiece_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bpe.model"
    path.write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="no sentencepiece model"):
        read_token_list(path)


def test_settings_are_read_by_dotted_names(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a:\n  b: 3\n  c: {d: x, e: [1, 2]}\nf: null\n")
    assert read_yaml(path) == {"a.b": 3, "a.c.d": "x", "f": None}


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n"])
def test_what_holds_no_settings_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        read_yaml(tmp_path / "config.yaml")


@pytest.mark.parametrize("value", ["x", 2.5, True, None, 0, -1, float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(value: str | float | bool | None) -> None:
    with pytest.raises(CheckpointError, match=r"frontend_conf\.fs is"):
        number({"frontend_conf.fs": value}, "frontend_conf.fs", 16000)


def test_the_features_are_those_of_the_settings(tmp_path: Path) -> None:
    settings: dict[str, Value] = {"frontend_conf.fs": 8000, "frontend_conf.window": "povey"}
    frontend = read_frontend(settings, ASSETS / "am.mvn", 560)
    assert (frontend.sample_rate, frontend.fbank.window) == (8000, "povey")
    assert frontend.lfr is not None
    assert (frontend.lfr.window, frontend.lfr.shift) == (7, 6)
    np.testing.assert_array_equal(frontend.lfr.cmvn.shift, read_cmvn(ASSETS / "am.mvn", 560)[0])


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("window", "blackman", "'blackman'; known: hamming"),
        ("lfr_m", 5, "stacks 5 frames of 80"),
        ("lfr_n", 0, "lfr_n is 0, expected a whole number of 1 or more"),
        ("fs", 0, "fs is 0"),
    ],
)
def test_features_that_do_not_fit_are_refused(
    setting: str, value: str | int, sentence: str
) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        read_frontend({f"frontend_conf.{setting}": value}, ASSETS / "am.mvn", 560)


def test_settings_without_features_are_refused() -> None:
    with pytest.raises(CheckpointError, match="no frontend_conf"):
        read_frontend({"model": "SenseVoiceSmall"}, ASSETS / "am.mvn", 560)
