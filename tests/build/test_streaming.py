"""Packed streaming graphs: ports, the original's values over a stream, and batches of streams."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from auricle.build.export import wenet_streaming
from auricle.build.export.adapt import Recipe
from auricle.build.export.built_encoder import Encoder as Served
from auricle.build.export.encoder import build_encoder
from auricle.build.export.graph import Graph, load_graph, port_of
from auricle.build.export.heads import CtcHead, Head, PlainHead
from auricle.build.export.reference import Waveform, kaldi_features, load_waveforms
from auricle.build.export.session import Array, Session
from auricle.build.export.states import read_ports
from auricle.build.export.streaming import Layout, adapt_streaming
from auricle.build.export.streaming_parity import StreamingEncoders, check_streaming_parity
from auricle.build.frontend.features import Frontend
from auricle.build.frontend.kaldi_fbank import FbankOptions, add_window_fbank
from auricle.build.frontend.nodes import Nodes
from auricle.errors import CheckpointError, ParityError
from tests.build import tiny, tiny_streaming
from tests.build.tiny_streaming import Encoder

pytestmark = pytest.mark.onnx

FBANK = FbankOptions()
WENET = FbankOptions(high_freq=0, scale=32768, snip_edges=True)
SPEECH = load_waveforms(None, FBANK.sample_rate)
ENCODERS = [
    Encoder(),
    Encoder(counts=False),
    Encoder(counts=False, count_dtype=TensorProto.INT32),
    Encoder(state_dtype=TensorProto.FLOAT16),
    Encoder(io_dtype=TensorProto.FLOAT16, state_dtype=TensorProto.FLOAT16),
    Encoder(mark="next_"),
    Encoder(is_ctc=True),
]


def save(model: onnx.ModelProto, folder: Path) -> Graph:
    onnx.save(model, folder / "graph.onnx")
    return load_graph(folder / "graph.onnx")


def head_of(kind: Encoder) -> Head:
    return CtcHead(20, blank_id=3) if kind.is_ctc else PlainHead()


def serve(kind: Encoder, folder: Path) -> Served:
    graph = save(tiny_streaming.make_encoder(kind), folder)
    return build_encoder(graph, Recipe(Frontend(FBANK), head_of(kind)), SPEECH)


def serve_wenet(folder: Path, beam: int | None = 10, positions: int = 0) -> Served:
    published = save(tiny_streaming.make_wenet_encoder(beam, positions), folder)
    head = CtcHead(20, blank_id=0, log_probs=wenet_streaming.LOG_PROBS)
    graph = wenet_streaming.with_log_probs(published)
    return build_encoder(graph, Recipe(Frontend(WENET), head), SPEECH)


def ports(model: onnx.ModelProto) -> list[str]:
    return [str(port_of(value)) for value in (*model.graph.input, *model.graph.output)]


def test_a_transducers_encoder_has_fixed_ports(tmp_path: Path) -> None:
    served = serve(Encoder(), tmp_path)
    size = 6 * 16 + 6 * 16 + 16 * 3 + 1
    window = 20 * 160 + 400
    assert served.layout == Layout(window, 16 * 160, 120, size, num_frames=4)
    assert ports(served.model) == [
        f"CHUNK float [N, {window}]",
        f"STATE float [N, {size}]",
        f"ENCODER_OUT float [N, 4, {tiny.JOINER_DIM}]",
        f"NEW_STATE float [N, {size}]",
    ]
    assert served.seconds_per_frame == 0.04


def test_a_ctc_model_gives_its_best_tokens(tmp_path: Path) -> None:
    assert ports(serve(Encoder(is_ctc=True), tmp_path).model)[2:5] == [
        "TOPK_LOG_PROBS float [N, 4, 20]",
        "TOPK_IDS int32 [N, 4, 20]",
        "BLANK_LOG_PROBS float [N, 4]",
    ]


@pytest.mark.parametrize("beam", [10, None])
def test_wenet_knows_blank_whatever_its_beam(beam: int | None, tmp_path: Path) -> None:
    served = serve_wenet(tmp_path, beam)
    assert ports(served.model)[2:5] == [
        "TOPK_LOG_PROBS float [N, 4, 20]",
        "TOPK_IDS int32 [N, 4, 20]",
        "BLANK_LOG_PROBS float [N, 4]",
    ]
    assert served.layout is not None
    assert (served.layout.hop, served.layout.reflected) == (16 * 160, 0)


@pytest.mark.parametrize("kind", ENCODERS, ids=str)
def test_every_artefact_loads_on_old_servers(kind: Encoder, tmp_path: Path) -> None:
    model = serve(kind, tmp_path).model
    assert model.ir_version <= 10
    assert all(entry.version <= 18 for entry in model.opset_import)
    onnx.checker.check_model(model, full_check=True)


def stream(
    graph: Graph, audio: Waveform, num_windows: int, num_done: int
) -> list[dict[str, Array]]:
    """The published graph over the windows of one stream, each state handed back by name.

    num_done: what a window adds to processed_lens.
    """
    features = kaldi_features(audio, FBANK)
    dtypes = {p.name: onnx.helper.tensor_dtype_to_np_dtype(p.dtype) for p in graph.inputs}
    states: dict[str, Array] = {}
    for port in graph.inputs[1:]:
        shape = [dim if isinstance(dim, int) else 1 for dim in port.shape]
        states[port.name] = np.zeros(shape, dtypes[port.name])
    session, found = Session(graph.model), []
    for index in range(num_windows):
        first = index * tiny_streaming.HOP
        x = features[None, first : first + tiny_streaming.WINDOW].astype(dtypes["x"])
        outputs = session.run({"x": x, **states})
        for name, before in states.items():
            given = [value for key, value in outputs.items() if key.endswith(f"_{name}")]
            states[name] = given[0] if given else before + dtypes[name].type(num_done)
        found.append(outputs)
    return found


@pytest.mark.parametrize("kind", ENCODERS, ids=str)
def test_a_stream_equals_the_originals(kind: Encoder, tmp_path: Path) -> None:
    served = serve(kind, tmp_path)
    assert served.layout is not None
    graph = load_graph(tmp_path / "graph.onnx")
    expected = stream(graph, SPEECH[0], 6, num_done=tiny_streaming.CHUNK)
    mirrored = np.concatenate([SPEECH[0][119::-1], SPEECH[0]])
    session = Session(served.model)
    state: Array = np.zeros((1, served.layout.state_size), np.float32)
    coarse = TensorProto.FLOAT16 in (kind.io_dtype, kind.state_dtype)
    for index, outputs in enumerate(expected):
        first = index * served.layout.hop
        chunk = mirrored[None, first : first + served.layout.window]
        found = session.run({"CHUNK": chunk, "STATE": state})
        state = found["NEW_STATE"]
        if kind.is_ctc:
            values, wanted = found["BLANK_LOG_PROBS"], outputs["log_probs"][:, :, 3]
        else:
            values, wanted = found["ENCODER_OUT"], outputs["encoder_out"].astype(np.float32)
        np.testing.assert_allclose(values, wanted, atol=1e-2 if coarse else 1e-4)


def test_streams_at_different_positions_share_a_run(tmp_path: Path) -> None:
    served = serve(Encoder(counts=False), tmp_path)
    layout = served.layout
    assert layout is not None
    session = Session(served.model)
    windows = np.lib.stride_tricks.sliding_window_view(SPEECH[0], layout.window)[:: layout.hop]
    states: list[Array] = [np.zeros((1, layout.state_size), np.float32)]
    singles = []
    for window in windows[:8]:
        singles.append(session.run({"CHUNK": window[None], "STATE": states[-1]}))
        states.append(singles[-1]["NEW_STATE"])
    rows = [5, 0, 7, 2]
    batch = session.run(
        {"CHUNK": windows[rows], "STATE": np.concatenate([states[r] for r in rows])}
    )
    for index, row in enumerate(rows):
        for name, values in singles[row].items():
            # Not bit for bit: the order in which ONNX Runtime sums depends on the batch.
            np.testing.assert_allclose(batch[name][index], values[0], atol=3e-6, err_msg=name)


def test_a_table_of_positions_ends_a_state(tmp_path: Path) -> None:
    """Windows of 4 frames, and a table of 100: 25 windows of 160 ms."""
    served = serve_wenet(tmp_path, positions=100)
    assert served.layout
    assert (served.layout.max_windows, served.layout.warm_up) == (25, 12)
    assert served.max_seconds is None
    assert any(
        "positions for 4.00 s, where a new state goes on, which has heard the last 1.92 s" in line
        for line in served.report
    )


def test_a_state_takes_over_after_ten_seconds_at_least(tmp_path: Path) -> None:
    served = serve_wenet(tmp_path, positions=1000)
    assert served.layout
    assert (served.layout.max_windows, served.layout.warm_up) == (250, 63)


def test_a_table_that_no_stream_could_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="positions for 19 windows of a stream, expected 20"):
        serve_wenet(tmp_path, positions=79)


def test_a_state_without_positions_has_no_end(tmp_path: Path) -> None:
    served = serve_wenet(tmp_path)
    assert served.layout
    assert (served.layout.max_windows, served.layout.warm_up) == (None, 0)
    assert any("no end to a stream" in line for line in served.report)


def encoders(folder: Path) -> StreamingEncoders:
    graph = save(tiny_streaming.make_encoder(Encoder(counts=False)), folder)
    found = read_ports(graph)
    recipe = Recipe(Frontend(FBANK), PlainHead())
    layout = Layout(20 * 160 + 400, 16 * 160, 120, found.size, 4)
    adapted = adapt_streaming(graph, found, recipe, layout)
    return StreamingEncoders(graph, found, adapted, recipe, layout)


def test_a_faithful_graph_passes(tmp_path: Path) -> None:
    parity = check_streaming_parity(encoders(tmp_path), SPEECH)
    assert parity.original < 1e-4
    assert parity.batch < 3e-6


@pytest.mark.parametrize("weight", [np.nan, 2.0])
def test_other_weights_are_found_out(weight: float, tmp_path: Path) -> None:
    both = encoders(tmp_path)
    tensor = next(
        t for t in both.adapted.graph.initializer
        if t.name.startswith("core/") and t.data_type == TensorProto.FLOAT and len(t.dims) == 2
    )  # fmt: skip
    values = numpy_helper.to_array(tensor) * np.float32(weight)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(ParityError, match="nothing was written"):
        check_streaming_parity(both, SPEECH)


@pytest.mark.parametrize("name", ["cached_key_0", "cached_nonlin_attn_0", "cached_conv1_0"])
def test_a_state_that_is_not_handed_on_is_found_out(name: str, tmp_path: Path) -> None:
    both = encoders(tmp_path)
    for node in both.adapted.graph.node:
        if node.op_type == "Cast" and node.input[0] == f"core/new_{name}":
            node.input[0] = f"core/{name}"
    with pytest.raises(ParityError):
        check_streaming_parity(both, SPEECH)


@pytest.mark.parametrize("stated", ["0", "22", "many"])
def test_a_hop_that_does_not_fit_the_window_is_refused(stated: str, tmp_path: Path) -> None:
    model = tiny_streaming.make_encoder(Encoder())
    onnx.helper.set_model_props(model, {"decode_chunk_len": stated})
    with pytest.raises(CheckpointError, match=f"decode_chunk_len='{stated}', expected 1 to 21"):
        build_encoder(save(model, tmp_path), Recipe(Frontend(FBANK), PlainHead()), SPEECH)


def test_a_hop_that_nothing_tells_is_refused(tmp_path: Path) -> None:
    model = tiny_streaming.make_encoder(Encoder())
    del model.metadata_props[:]
    with pytest.raises(CheckpointError, match="4 frames of 21, which tells no hop"):
        build_encoder(save(model, tmp_path), Recipe(Frontend(FBANK), PlainHead()), SPEECH)


@pytest.mark.parametrize("options", [FBANK, WENET], ids=["icefall", "wenet"])
def test_the_features_of_a_window_are_kaldis(options: FbankOptions) -> None:
    nodes = Nodes("")
    nodes.name(add_window_fbank(nodes, options, "CHUNK", 30), "features")
    samples = options.num_samples(30)
    model = tiny.model(
        nodes,
        [tiny.value("CHUNK", TensorProto.FLOAT, "N", samples)],
        [tiny.value("features", TensorProto.FLOAT, "N", 30, 80)],
    )
    audio = SPEECH[0][16000 : 16000 + samples + 4000]
    left = options.left_edge
    expected = kaldi_features(audio[left:], options)[: 30 - 1]
    found = Session(model).run({"CHUNK": audio[None, :samples]})["features"][0]
    first = 1 if left else 0  # the reference reflects what lies before its own first frame
    np.testing.assert_allclose(found[first:29], expected[first:], atol=1e-3)
