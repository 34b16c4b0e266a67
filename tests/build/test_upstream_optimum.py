"""Optimum's exporter, by a stand-in that writes down how it was called."""

from pathlib import Path

import pytest

from auricle.build.checkpoint import Checkpoint
from auricle.build.checkpoint.hub import HuggingFace
from auricle.build.upstream import Request
from auricle.build.upstream.optimum import Optimum
from auricle.errors import CheckpointError, ExportError

FILES = ("config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json",
         "tokenizer.json")  # fmt: skip
STAND_IN = """#!/bin/sh
for out; do :; done
echo "$@" > "$out/called.txt"
touch "$out/encoder_model.onnx"
"""


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    folder, out, python = tmp_path / "whisper", tmp_path / "out", tmp_path / "python"
    folder.mkdir()
    out.mkdir()
    for name in FILES:
        (folder / name).write_text("{}")
    python.write_text(STAND_IN)
    python.chmod(0o755)
    return Request(
        Checkpoint(folder, "openai/whisper-base", "abc"), out, print, python=str(python),
        arguments=("--opset", "17"),
    )  # fmt: skip


def test_optimum_is_asked_for_both_decoders(request_: Request) -> None:
    exported = Optimum(HuggingFace("openai/whisper-base")).export(request_)
    called = (request_.out / "called.txt").read_text().split()
    assert called[:2] == ["-m", "optimum.exporters.onnx"]
    assert called[called.index("--model") + 1] == str(request_.checkpoint.folder)
    assert called[called.index("--task") + 1] == "automatic-speech-recognition-with-past"
    assert called[-3:] == ["--opset", "17", str(request_.out)]
    assert (exported.location, exported.revision) == ("openai/whisper-base", "abc")


def test_weights_come_first_and_what_is_missing_is_named(request_: Request) -> None:
    exporter = Optimum(None)
    assert sorted(exporter.choose([*FILES, "README.md", "flax_model.msgpack"])) == sorted(FILES)
    assert exporter.choose(list(FILES))[0] == "model.safetensors"
    (request_.checkpoint.folder / "generation_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no generation_config\.json"):
        exporter.export(request_)


def test_an_interpreter_has_to_be_named(request_: Request, tmp_path: Path) -> None:
    nameless = Request(request_.checkpoint, request_.out, print)
    with pytest.raises(ExportError, match=r"optimum-onnx.*--python"):
        Optimum(None).export(nameless)
