"""Adapted graphs: the names, types and shapes that serving relies on, and the original's values."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from auricle.build.export.adapt import Recipe, adapt_decoder, adapt_encoder, adapt_joiner
from auricle.build.export.graph import Graph, load_graph, port_of
from auricle.build.export.heads import CtcHead, PlainHead
from auricle.build.export.reference import kaldi_features
from auricle.build.export.served import batch_of
from auricle.build.export.session import Session
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.kaldi_fbank import LOG_PAD, FbankOptions
from tests.build import tiny

pytestmark = pytest.mark.onnx

FBANK = FbankOptions()
PLAIN = Recipe(Frontend(FBANK), PlainHead())
ENCODERS = [
    tiny.Encoder(),
    tiny.Encoder(lens_dtype=TensorProto.INT32),
    tiny.Encoder(io_dtype=TensorProto.FLOAT16),
    tiny.Encoder(mask_by_lens=True),
    tiny.Encoder(padding_branch=True),
    tiny.Encoder(max_frames=2000),
    tiny.Encoder(opset=18),
]


def save(model: onnx.ModelProto, folder: Path) -> Graph:
    onnx.save(model, folder / "graph.onnx")
    return load_graph(folder / "graph.onnx")


def noise(num_samples: int, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(0, 0.1, num_samples).astype(np.float32)


def ports(model: onnx.ModelProto) -> list[str]:
    return [str(port_of(value)) for value in (*model.graph.input, *model.graph.output)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("tiny")
    kind = tiny.Encoder(mask_by_lens=True, padding_branch=True)
    return Session(adapt_encoder(save(tiny.make_encoder(kind), folder), PLAIN))


@pytest.mark.parametrize("kind", ENCODERS, ids=str)
def test_an_encoder_takes_waveforms_and_gives_plain_float32(
    kind: tiny.Encoder, tmp_path: Path
) -> None:
    model = adapt_encoder(save(tiny.make_encoder(kind), tmp_path), PLAIN)
    assert ports(model) == [
        "WAV float [N, L]",
        "WAV_LENS int32 [N]",
        f"ENCODER_OUT float [N, T, {tiny.JOINER_DIM}]",
        "OUT_LENS int32 [N]",
    ]


def test_a_ctc_model_gives_its_best_tokens(tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(tiny.Encoder(is_ctc=True)), tmp_path)
    model = adapt_encoder(graph, Recipe(Frontend(FBANK), CtcHead(num_top=20, blank_id=3)))
    assert ports(model)[2:] == [
        "TOPK_LOG_PROBS float [N, T, 20]",
        "TOPK_IDS int32 [N, T, 20]",
        "BLANK_LOG_PROBS float [N, T]",
        "OUT_LENS int32 [N]",
    ]


@pytest.mark.parametrize("kind", ENCODERS, ids=str)
def test_every_artefact_loads_on_old_servers(kind: tiny.Encoder, tmp_path: Path) -> None:
    model = adapt_encoder(save(tiny.make_encoder(kind), tmp_path), PLAIN)
    assert model.ir_version <= 10
    assert [entry.version <= 18 for entry in model.opset_import] == [True]
    onnx.checker.check_model(model, full_check=True)


def test_a_newer_ir_version_is_lowered(tmp_path: Path) -> None:
    joiner = tiny.make_joiner()
    joiner.ir_version = 13
    assert adapt_joiner(save(joiner, tmp_path)).ir_version == 10


@pytest.mark.parametrize("kind", ENCODERS, ids=str)
def test_an_encoder_equals_the_original_on_kaldi_features(
    kind: tiny.Encoder, tmp_path: Path
) -> None:
    graph = save(tiny.make_encoder(kind), tmp_path)
    waveform = noise(20_000)
    features = kaldi_features(waveform, FBANK)
    num_frames = len(features)
    tail = 0 if kind.mask_by_lens else FBANK.tail_frames  # its own mask would not fit
    padded = np.pad(features, ((0, tail), (0, 0)), constant_values=LOG_PAD)[None]
    x, x_lens = (onnx.helper.tensor_dtype_to_np_dtype(port.dtype) for port in graph.inputs)
    original = Session(graph.model).run(
        {"x": padded.astype(x), "x_lens": np.array([num_frames], x_lens)}
    )
    found = Session(adapt_encoder(graph, PLAIN)).run(batch_of([waveform]))
    np.testing.assert_array_equal(found["OUT_LENS"], original["encoder_out_lens"])
    same = found["OUT_LENS"][0] - (0 if tail else 3)  # the last frames look beyond the features
    np.testing.assert_allclose(
        found["ENCODER_OUT"][:, :same],
        original["encoder_out"][:, :same].astype("float32"),
        atol=2e-3,
    )


def test_a_ctc_head_equals_the_original_log_probs(tmp_path: Path) -> None:
    graph = save(tiny.make_encoder(tiny.Encoder(is_ctc=True)), tmp_path)
    waveform = noise(20_000)
    padded = np.pad(
        kaldi_features(waveform, FBANK), ((0, 32), (0, 0)), constant_values=np.float32(LOG_PAD)
    )
    lens = np.array([len(padded) - 32])
    log_probs = Session(graph.model).run({"x": padded[None], "x_lens": lens})["log_probs"]
    adapted = adapt_encoder(
        graph, Recipe(Frontend(FBANK), CtcHead(num_top=tiny.VOCAB_SIZE, blank_id=3))
    )
    found = Session(adapted).run(batch_of([waveform]))
    ranked = np.take_along_axis(
        log_probs.astype(np.float32), found["TOPK_IDS"].astype(np.int64), axis=2
    )
    np.testing.assert_allclose(found["TOPK_LOG_PROBS"], ranked, atol=1e-4)
    np.testing.assert_allclose(found["BLANK_LOG_PROBS"], log_probs[:, :, 3], atol=1e-4)
    assert (np.diff(found["TOPK_LOG_PROBS"], axis=2) <= 0).all()


@settings(max_examples=25, deadline=None)
@given(lens=st.lists(st.integers(0, 30_000), min_size=2, max_size=4))
def test_a_batch_equals_its_singles_bit_for_bit(encoder: Session, lens: list[int]) -> None:
    rows = [noise(n, seed) for seed, n in enumerate(lens)]
    batch = encoder.run(batch_of(rows))
    for index, row in enumerate(rows):
        single = encoder.run(batch_of([row]))
        num_frames = single["OUT_LENS"][0]
        assert batch["OUT_LENS"][index] == num_frames
        np.testing.assert_array_equal(
            batch["ENCODER_OUT"][index, :num_frames], single["ENCODER_OUT"][0, :num_frames]
        )


@pytest.mark.parametrize("num_samples", [0, 1, 79, 80, 500])
def test_audio_too_short_for_a_frame_has_none(encoder: Session, num_samples: int) -> None:
    assert encoder.run(batch_of([noise(num_samples)]))["OUT_LENS"] == [0]


@pytest.mark.parametrize("dtype", [TensorProto.INT32, TensorProto.INT64])
@pytest.mark.parametrize("middle_axis", [False, True])
def test_a_decoder_is_the_same_from_any_exporter(
    dtype: int, middle_axis: bool, tmp_path: Path
) -> None:
    decoder = tiny.make_decoder(dtype, middle_axis=middle_axis)
    model = adapt_decoder(save(decoder, tmp_path), tiny.CONTEXT_SIZE)
    assert ports(model) == ["y int64 [N, 2]", f"decoder_out float [N, {tiny.JOINER_DIM}]"]
    y = np.array([[-1, 0], [4, 7], [29, 29]])
    plain = Session(tiny.make_decoder()).run({"y": y})["decoder_out"]
    np.testing.assert_array_equal(Session(model).run({"y": y})["decoder_out"], plain)


def test_a_joiner_keeps_its_values(tmp_path: Path) -> None:
    model = adapt_joiner(save(tiny.make_joiner(), tmp_path))
    assert ports(model) == [
        f"encoder_out float [N, {tiny.JOINER_DIM}]",
        f"decoder_out float [N, {tiny.JOINER_DIM}]",
        f"logit float [N, {tiny.VOCAB_SIZE}]",
    ]
    rows = noise(5 * tiny.JOINER_DIM).reshape(5, -1)
    batch = {"encoder_out": rows, "decoder_out": rows[::-1].copy()}
    plain = Session(tiny.make_joiner()).run(batch)["logit"]
    np.testing.assert_array_equal(Session(model).run(batch)["logit"], plain)
