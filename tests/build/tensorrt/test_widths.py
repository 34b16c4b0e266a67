"""A graph by the width of its audio is the same graph, and TensorRT can know its shapes."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from auricle.build.checkpoint import Checkpoint
from auricle.build.export.session import Array, Session
from auricle.build.export.tensorrt.check import check_model
from auricle.build.families import Options, load
from auricle.build.tensorrt.widths import by_width
from tests.build import tiny_streaming

pytestmark = pytest.mark.onnx

FAMILIES = {
    "icefall-transducer": "icefall-transducer",
    "icefall-ctc": "icefall-ctc",
    "nemo-ctc": "nemo-ctc",
    "sense-voice": "sense-voice",
    "wenet-u2": "wenet-u2",
}
LENS = np.array([60000, 40000, 900], np.int32)


def encoder(assets: Path, family: str) -> onnx.ModelProto:
    checkpoint = Checkpoint(assets / FAMILIES[family], family)
    return load(family).build(checkpoint, Options()).graphs["encoder"]


def hear(model: onnx.ModelProto, width: int) -> list[dict[str, Array]]:
    """The outputs of each row that count."""
    wav = np.zeros((len(LENS), width), np.float32)
    noise = np.random.default_rng(0)
    for row, length in zip(wav, LENS, strict=True):
        row[:length] = noise.normal(0, 0.1, length)
    beside = {
        value.name: np.zeros(len(LENS), np.int32)
        for value in model.graph.input
        if value.name in {"LANGUAGE", "TEXT_NORM"}
    }
    outputs = Session(model).run({"WAV": wav, "WAV_LENS": LENS, **beside})
    lens = outputs["OUT_LENS"]
    return [
        {name: array[row, : lens[row]] if array.ndim > 1 else array[row : row + 1]
         for name, array in outputs.items()}
        for row in range(len(LENS))
    ]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_the_width_decides_and_no_bit_changes(family: str, assets: Path) -> None:
    model = encoder(assets, family)
    wide = by_width(model)
    onnx.checker.check_model(wide)
    expected = hear(model, 60000)
    for width in (60000, 64000):
        for found, row in zip(hear(wide, width), expected, strict=True):
            for name, array in row.items():
                np.testing.assert_array_equal(found[name], array)
    said = check_model(wide, [(10, 16), (11, 0)]).lines()
    assert not [line for line in said if "decide lengths" in line or "ERROR" in line]
    assert any("decide lengths" in line for line in check_model(model, [(11, 0)]).lines())


def test_windows_have_no_lengths_and_stay_as_they_are(tmp_path: Path) -> None:
    folder = tiny_streaming.write_transducer(tmp_path / "checkpoint")
    built = load("icefall-transducer").build(Checkpoint(folder, "tiny"), Options(streaming=True))
    model = built.graphs["encoder"]
    assert by_width(model) is model


def test_tokens_that_the_device_counts_stay_its_own(assets: Path) -> None:
    """Paraformer's; `auricle check --tensorrt` says so before trtexec does."""
    built = load("paraformer").build(Checkpoint(assets / "paraformer", "p"), Options())
    said = check_model(by_width(built.graphs["encoder"]), [(11, 0)]).lines()
    assert any("ERROR" in line for line in said)
