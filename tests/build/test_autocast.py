"""ModelOpt's AutoCast, by a stand-in that writes down how it was called."""

from pathlib import Path

import numpy as np
import pytest

from auricle.build.upstream.autocast import Autocast
from auricle.errors import ExportError

STAND_IN = """#!/bin/sh
echo "$@" > "$(dirname "$0")/called.txt"
[ -e "$(dirname "$0")/lazy" ] || cp "$4" "$6"
"""


@pytest.fixture
def python(tmp_path: Path) -> Path:
    path = tmp_path / "python"
    path.write_text(STAND_IN)
    path.chmod(0o755)
    (tmp_path / "fp32.onnx").write_bytes(b"graph")
    return path


def test_autocast_is_asked_for_bfloat16_inside_only(python: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "fp32.onnx", tmp_path / "bf16.onnx"
    Autocast(str(python), print).cast(source, target, None)
    called = (tmp_path / "called.txt").read_text().split()
    assert called[:6] == ["-m", "modelopt.onnx.autocast", "--onnx_path", str(source),
                          "--output_path", str(target)]  # fmt: skip
    assert called[6:9] == ["--low_precision_type", "bf16", "--keep_io_types"]
    held = called[called.index("--op_types_to_exclude") + 1 :]
    assert {"Pow", "ReduceMean", "Softmax"} <= set(held)
    assert "--calibration_data" not in called
    assert target.read_bytes() == b"graph"


def test_it_sees_the_values_of_real_speech(python: Path, tmp_path: Path) -> None:
    example = {"x": np.ones((1, 5, 80), np.float32), "x_lens": np.array([5])}
    Autocast(str(python), print).cast(tmp_path / "fp32.onnx", tmp_path / "bf16.onnx", example)
    called = (tmp_path / "called.txt").read_text().split()
    with np.load(called[called.index("--calibration_data") + 1]) as given:
        assert set(given) == {"x", "x_lens"}


def test_nothing_written_is_an_error(python: Path, tmp_path: Path) -> None:
    (tmp_path / "lazy").touch()
    (tmp_path / "fp32.onnx").write_bytes(b"graph")
    python.write_text(STAND_IN.replace("cp", "test -e"))
    with pytest.raises(ExportError, match=r"wrote no bf16\.onnx"):
        Autocast(str(python), print).cast(tmp_path / "fp32.onnx", tmp_path / "bf16.onnx", None)
