"""Which files of a checkpoint are taken: names in, names out."""

from pathlib import Path

import pytest

from auricle.build.checkpoint.files import (
    Precision,
    choose_file,
    choose_graph,
    list_files,
    precision_of,
    sha256,
)
from auricle.errors import CheckpointError

PUBLISHED = [  # as icefall's and sherpa-onnx's repositories hold them
    "README.md",
    "exp/decoder-epoch-30-avg-9.int8.onnx",
    "exp/decoder-epoch-30-avg-9.onnx",
    "exp/encoder-epoch-30-avg-9-chunk-16-left-128.onnx",
    "exp/encoder-epoch-30-avg-9.fp16.onnx",
    "exp/encoder-epoch-30-avg-9.int8.onnx",
    "exp/encoder-epoch-30-avg-9.onnx",
    "data/lang_bpe_500/tokens.txt",
]


@pytest.mark.parametrize(
    ("pattern", "precision", "expected"),
    [
        ("encoder*.onnx", "fp32", "exp/encoder-epoch-30-avg-9.onnx"),
        ("encoder*.onnx", "fp16", "exp/encoder-epoch-30-avg-9.fp16.onnx"),
        ("encoder*.onnx", "int8", "exp/encoder-epoch-30-avg-9.int8.onnx"),
        ("decoder*.onnx", "int8", "exp/decoder-epoch-30-avg-9.int8.onnx"),
    ],
)
def test_the_graph_of_the_asked_precision_is_taken(
    pattern: str, precision: Precision, expected: str
) -> None:
    assert choose_graph(PUBLISHED, pattern, precision) == expected


def test_a_plain_graph_stands_in_for_one_that_was_not_reduced() -> None:
    assert choose_graph(PUBLISHED, "decoder*.onnx", "fp16") == "exp/decoder-epoch-30-avg-9.onnx"


def test_a_reduced_graph_never_stands_in_for_a_plain_one() -> None:
    with pytest.raises(CheckpointError, match="no fp32 encoder"):
        choose_graph(["encoder.int8.onnx"], "encoder*.onnx", "fp32")


def test_a_streaming_export_is_taken_only_where_it_is_alone() -> None:
    assert "-chunk-" in choose_graph([PUBLISHED[3]], "encoder*.onnx", "fp32")


def test_a_streaming_export_is_taken_where_it_is_asked_for() -> None:
    assert "-chunk-" in choose_graph(PUBLISHED, "encoder*.onnx", "fp32", streaming=True)


def test_the_longest_left_context_is_taken() -> None:
    names = [f"encoder-epoch-99-avg-1-chunk-16-left-{left}.onnx" for left in (128, 64, 256)]
    assert choose_graph(names, "encoder*.onnx", "fp32", streaming=True) == names[2]


def test_other_chunks_are_for_the_user_to_choose() -> None:
    names = [f"encoder-epoch-99-avg-1-chunk-{chunk}-left-128.onnx" for chunk in (16, 32)]
    with pytest.raises(CheckpointError, match="2 files are fp32"):
        choose_graph(names, "encoder*.onnx", "fp32", streaming=True)


def test_two_candidates_are_refused_by_name() -> None:
    names = [*PUBLISHED, "exp/encoder-epoch-99-avg-1.onnx"]
    with pytest.raises(CheckpointError, match=r"epoch-30-avg-9\.onnx, exp/encoder-epoch-99-avg-1"):
        choose_graph(names, "encoder*.onnx", "fp32")


def test_a_missing_file_is_refused_with_what_is_there() -> None:
    with pytest.raises(CheckpointError, match=r"no units\.txt.*tokens\.txt"):
        choose_file(PUBLISHED, "units.txt")


def test_an_empty_checkpoint_is_refused() -> None:
    with pytest.raises(CheckpointError, match="holds: nothing"):
        choose_file([], "tokens.txt")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("model.onnx", "fp32"), ("model.int8.onnx", "int8"), ("a/encoder.fp16.onnx", "fp16"),
     ("int8.d/model.onnx", "fp32")],
)  # fmt: skip
def test_precision_is_marked_in_the_file_name(name: str, expected: Precision) -> None:
    assert precision_of(name) == expected


def test_files_are_listed_below_the_folder(tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "encoder.onnx").touch()
    (tmp_path / "tokens.txt").touch()
    assert list_files(tmp_path) == ["exp/encoder.onnx", "tokens.txt"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint folder"):
        list_files(tmp_path / "absent")


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")
