"""Upstream's exporters, asked for streams."""

import sys
from pathlib import Path

import pytest

from auricle.build.checkpoint import Checkpoint
from auricle.build.upstream import Request
from auricle.build.upstream.icefall import Icefall
from auricle.build.upstream.wenet import WeNet
from auricle.errors import ExportError
from tests.build import fake_checkouts as fake

TRANSDUCER = Icefall("export-onnx.py", "export-onnx-streaming.py")
CTC = Icefall("export-onnx-ctc.py", "export-onnx-streaming-ctc.py")


def request(weights: Path, checkout: Path, *, streaming: bool) -> Request:
    out = weights.parent / f"out-{streaming}"
    out.mkdir()
    checkpoint = Checkpoint(weights, "org/name")
    return Request(checkpoint, out, print, checkout, sys.executable, streaming=streaming)


@pytest.mark.parametrize(
    ("exporter", "script"),
    [(TRANSDUCER, "export-onnx-streaming.py"), (CTC, "export-onnx-streaming-ctc.py")],
)
def test_a_model_for_streams_has_a_script_of_its_own(
    exporter: Icefall, script: str, tmp_path: Path
) -> None:
    icefall = fake.make_icefall(tmp_path / "icefall", script)
    zipformer = fake.make_icefall_checkpoint(tmp_path / "zipformer")
    exporter.export(request(zipformer, icefall, streaming=True))
    assert fake.seen(icefall)["epoch"] == "99"
    with pytest.raises(ExportError, match="is no checkout of icefall"):
        exporter.export(request(zipformer, icefall, streaming=False))


@pytest.mark.parametrize("streaming", [True, False])
def test_wenet_is_told_whether_it_is_for_streams(streaming: bool, tmp_path: Path) -> None:
    wenet = fake.make_wenet(tmp_path / "wenet")
    u2 = fake.make_wenet_checkpoint(tmp_path / "u2")
    WeNet().export(request(u2, wenet, streaming=streaming))
    assert bool(fake.seen(wenet)["streaming"]) == streaming
