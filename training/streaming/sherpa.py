"""sherpa-onnx's online recognisers of the exports, and the sibling that it wants of WeNet's.

sherpa-onnx takes icefall's files as they are. Of WeNet it reads one graph of its own: one stream,
its cache mask as bool over cache and chunk, all log-probabilities, and metadata.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import sherpa_onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.export import AUTHOR
from training.features import SAMPLE_RATE_HZ
from training.streaming.chunking import SUBSAMPLING
from training.streaming.wenet import CONTEXT

Array = NDArray[np.float32]
TAIL_SECONDS = 1.0  # of silence: more than any window here
SIBLING = "model-streaming.onnx"
Value = tuple[str, int, Sequence[int | None]]


def recognizer(kind: str, folder: Path) -> "sherpa_onnx.OnlineRecognizer":
    """folder: of training.streaming.export; of kind wenet, of the sibling."""
    made = sherpa_onnx.OnlineRecognizer
    tokens = str(folder / "tokens.txt")
    if kind == "wenet":
        return made.from_wenet_ctc(tokens, str(folder / SIBLING), num_threads=1)
    if kind == "icefall-zipformer2-ctc":
        return made.from_zipformer2_ctc(tokens, str(_one(folder, "ctc")), num_threads=1)
    roles = {role: str(_one(folder, role)) for role in ("encoder", "decoder", "joiner")}
    return made.from_transducer(tokens, **roles, num_threads=1)


def _one(folder: Path, role: str) -> Path:
    (path,) = folder.glob(f"{role}-*.onnx")
    return path


def transcriber(online: "sherpa_onnx.OnlineRecognizer") -> Callable[[Array], str]:
    """Waveforms in [-1, 1] to text."""

    def transcribe(waveform: Array) -> str:
        stream = online.create_stream()
        tail = np.zeros(int(TAIL_SECONDS * SAMPLE_RATE_HZ), np.float32)
        stream.accept_waveform(SAMPLE_RATE_HZ, np.concatenate([waveform, tail]))
        stream.input_finished()
        while online.is_ready(stream):
            online.decode_stream(stream)
        return str(online.get_result(stream)).strip()

    return transcribe


def wenet_sibling(folder: Path, out: Path) -> None:
    """folder: of training.streaming.export wenet. sherpa-onnx goes by the order, not by names."""
    proto = onnx.load(str(folder / "encoder.onnx"))
    shapes = {value.name: _shape(value) for value in proto.graph.input}
    layers, heads, cache, _ = shapes["att_cache"][1:]
    dim, kernel = shapes["cnn_cache"][2:]
    units = (folder / "units.txt").read_text(encoding="utf-8")
    _rewire(proto.graph, shapes["chunk_xs"][1], cache)
    _declare(proto.graph, shapes)
    metadata = {
        "model_type": "wenet_ctc",
        "version": "1",
        "model_author": AUTHOR,
        "comment": "streaming",
        "head": heads,
        "num_blocks": layers,
        "output_size": dim,
        "cnn_module_kernel": kernel + 1,
        "right_context": CONTEXT - 1,
        "subsampling_factor": SUBSAMPLING,
        "vocab_size": len(units.splitlines()),
    }
    helper.set_model_props(proto, {name: str(value) for name, value in metadata.items()})
    onnx.checker.check_model(proto, full_check=True)
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, str(out / SIBLING))
    (out / "tokens.txt").write_text(units, encoding="utf-8")


def _declare(graph: onnx.GraphProto, shapes: dict[str, list[int]]) -> None:
    """Inputs and outputs in sherpa-onnx's order; what TopK read is all log-probabilities."""
    float32, int64 = TensorProto.FLOAT, TensorProto.INT64
    attn_cache, (layers, dim, kernel) = shapes["att_cache"][1:], shapes["cnn_cache"][1:]
    conv_cache = [layers, 1, dim, kernel]
    (top,) = (node for node in graph.node if node.op_type == "TopK")
    inputs: list[Value] = [
        ("chunk_xs", float32, [1, *shapes["chunk_xs"][1:]]),
        ("offset", int64, [1]),
        ("required_cache_size", int64, [1]),
        ("attn_cache", float32, attn_cache),
        ("conv_cache", float32, conv_cache),
        ("attn_mask", TensorProto.BOOL, [1, 1, None]),
    ]
    outputs: list[Value] = [
        (top.input[0], float32, [1, None, None]),
        ("next_attn_cache", float32, attn_cache),
        ("next_conv_cache", float32, conv_cache),
    ]
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.extend(helper.make_tensor_value_info(*value) for value in inputs)
    graph.output.extend(helper.make_tensor_value_info(*value) for value in outputs)


def _rewire(graph: onnx.GraphProto, window: int, cache: int) -> None:
    """One stream's caches to the graph's batch of one and back; every window is full of audio."""
    constants = {
        "chunk_lens": np.array([window], np.int32),
        "sibling.zero": np.array([0]),
        "sibling.two": np.array([2]),
        "sibling.cache": np.array([cache]),
    }
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    axes = [1, 0, 2, 3]
    mask = ["attn_mask", "sibling.zero", "sibling.cache", "sibling.two"]
    before = [
        helper.make_node("Unsqueeze", ["attn_cache", "sibling.zero"], ["att_cache"]),
        helper.make_node("Transpose", ["conv_cache"], ["cnn_cache"], perm=axes),
        helper.make_node("Slice", mask, ["sibling.mask"]),
        helper.make_node("Cast", ["sibling.mask"], ["cache_mask"], to=TensorProto.FLOAT),
    ]
    after = [
        helper.make_node("Squeeze", ["r_att_cache", "sibling.zero"], ["next_attn_cache"]),
        helper.make_node("Transpose", ["r_cnn_cache"], ["next_conv_cache"], perm=axes),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    return [size.dim_value for size in value.type.tensor_type.shape.dim]
