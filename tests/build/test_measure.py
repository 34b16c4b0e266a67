"""What only a run shows: the frame rate, and the longest audio that an export takes."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from auricle.build.export.adapt import Recipe, adapt_encoder
from auricle.build.export.graph import load_graph
from auricle.build.export.heads import PlainHead
from auricle.build.export.measure import (
    max_seconds,
    output_size,
    seconds_per_frame,
    table_seconds,
)
from auricle.build.export.positions import table_lengths
from auricle.build.export.served import ServedEncoder
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.kaldi_fbank import FbankOptions
from tests.build import tiny

pytestmark = pytest.mark.onnx

FBANK = FbankOptions()


def adapted(kind: tiny.Encoder, folder: Path) -> ServedEncoder:
    onnx.save(tiny.make_encoder(kind), folder / "encoder.onnx")
    recipe = Recipe(Frontend(FBANK), PlainHead())
    return ServedEncoder(adapt_encoder(load_graph(folder / "encoder.onnx"), recipe))


def test_a_subsampling_of_four_gives_frames_of_40_ms(tmp_path: Path) -> None:
    assert seconds_per_frame(adapted(tiny.Encoder(), tmp_path), 16000) == 0.04


@pytest.mark.parametrize("max_frames", [500, 2000])
def test_a_table_of_positions_caps_the_audio_to_the_frame(max_frames: int, tmp_path: Path) -> None:
    longest = 2 * max_frames + 8  # feature frames, from (T - 7) // 2 <= max_frames
    expected = (longest - FBANK.tail_frames) / 100
    encoder = adapted(tiny.Encoder(max_frames=max_frames), tmp_path)
    assert max_seconds(encoder, 16000) == expected


def test_an_encoder_that_takes_a_minute_has_no_cap(tmp_path: Path) -> None:
    assert max_seconds(adapted(tiny.Encoder(max_frames=4000), tmp_path), 16000) is None


@pytest.mark.parametrize("max_frames", [5000, 7000])
def test_a_long_table_is_found_without_running_to_its_end(max_frames: int, tmp_path: Path) -> None:
    kind = tiny.Encoder(max_frames=max_frames)
    encoder = adapted(kind, tmp_path)
    lengths = table_lengths(load_graph(tmp_path / "encoder.onnx"))
    assert lengths == [max_frames]
    found = table_seconds(encoder, 16000, 0.04, lengths) or 0
    exact = (2 * max_frames + 8 - FBANK.tail_frames) / 100
    assert found == pytest.approx(exact, abs=0.08)
    assert found <= exact
    encoder.run([np.zeros(int(found * 16000), np.float32)])


def test_a_table_that_bounds_nothing_is_no_bound(tmp_path: Path) -> None:
    assert table_seconds(adapted(tiny.Encoder(), tmp_path), 16000, 0.04, [1500]) is None


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (tiny.make_encoder(tiny.Encoder()), tiny.JOINER_DIM),
        (tiny.make_encoder(tiny.Encoder(is_ctc=True)), tiny.VOCAB_SIZE),
        (tiny.make_decoder(), tiny.JOINER_DIM),
        (tiny.make_joiner(), tiny.VOCAB_SIZE),
    ],
)
def test_a_size_that_is_not_stated_is_measured(
    model: onnx.ModelProto, size: int, tmp_path: Path
) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[-1].dim_param = "Gemm_dim_1"
    onnx.save(model, tmp_path / "graph.onnx")
    assert output_size(load_graph(tmp_path / "graph.onnx")) == size
