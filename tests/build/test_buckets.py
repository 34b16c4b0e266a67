"""Padding to buckets changes nothing: the law, on graphs that families really build."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auricle import audio as files
from auricle.build.checkpoint import Checkpoint
from auricle.build.families import Options, load
from auricle.build.repository.populate import Deployment, choose, populate
from auricle.serve.backend.local import load_pipeline
from auricle.serve.pipeline import Pipeline
from auricle.serve.planning import Waveform
from tests.build import tiny

pytestmark = pytest.mark.onnx

ASSETS = ("icefall-transducer", "nemo-ctc", "sense-voice")
Made = tuple[str, Callable[[Path], Path]]
MADE: dict[str, Made] = {
    "zipformer": ("icefall-transducer", tiny.write_transducer),
    "masked by lengths": (
        "icefall-ctc",
        lambda folder: tiny.write_ctc(folder, tiny.Encoder(is_ctc=True, mask_by_lens=True)),
    ),
    "positions": (
        "icefall-ctc",
        lambda folder: tiny.write_ctc(folder, tiny.Encoder(is_ctc=True, max_frames=1000)),
    ),
}


def pipelines(family: str, folder: Path, out: Path, bucket_seconds: float) -> list[Pipeline]:
    built = load(family).build(Checkpoint(folder, "made"), Options())
    populate(built, "made", out, Deployment())
    choices = replace(choose(built, Deployment()), max_sub_batch=4, max_padding=1.0)
    bucketed = replace(choices, bucket_seconds=bucket_seconds)
    return [load_pipeline(out / "made" / "1", each) for each in (choices, bucketed)]


def noises() -> list[Waveform]:
    rng = np.random.default_rng(0)
    seconds = (0.05, 0.3, 1.99, 2.0, 2.01, 3.3, 5.0)
    return [rng.normal(0, 0.1, round(each * 16000)).astype(np.float32) for each in seconds]


def outputs(pipeline: Pipeline, waveforms: list[Waveform]) -> list[dict[str, np.ndarray]]:  # type: ignore[type-arg]
    rows = list(range(len(waveforms)))
    options = [pipeline.defaults] * len(rows)
    batches = [pipeline._inputs([row], waveforms, options) for row in rows]
    return [dict(each) for each in pipeline.runner.run("encoder", batches)]


@pytest.mark.parametrize("bucket_seconds", [0.5, 2.0, 7.0])
@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_bucketed_equals_unbucketed_bit_for_bit(
    made: Made, bucket_seconds: float, tmp_path: Path
) -> None:
    family, write = made
    folder = write(tmp_path / "checkpoint")
    check(pipelines(family, folder, tmp_path, bucket_seconds), noises())


@pytest.mark.parametrize("family", ASSETS)
def test_buckets_change_no_bit_of_a_trained_model(
    family: str, tmp_path: Path, assets: Path, test_wavs: Path
) -> None:
    waveforms = [files.load(path, 16000) for path in sorted(test_wavs.glob("*.wav"))[:4]]
    check(pipelines(family, assets / family, tmp_path, 2.0), waveforms)


def check(both: list[Pipeline], waveforms: list[Waveform]) -> None:
    plain, bucketed = both
    assert plain.transcribe(waveforms) == bucketed.transcribe(waveforms)
    for one, other in zip(outputs(plain, waveforms), outputs(bucketed, waveforms), strict=True):
        (length,) = one["OUT_LENS"]
        np.testing.assert_array_equal(one["OUT_LENS"], other["OUT_LENS"])
        for name in one.keys() - {"OUT_LENS"}:
            np.testing.assert_array_equal(one[name][:, :length], other[name][:, :length])
