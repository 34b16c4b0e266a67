"""Checkpoints of a few kilobytes with the files, names and oddities of NeMo's exports.

The encoders are arithmetic on real features, as those of tiny.py: three halvings as strided
convolutions count them, of frames masked by lengths that are divided as floats. The predictor is
two LSTMs, the joint network what NeMo's is. Nothing is trained.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from auricle.build.frontend.nodes import Nodes
from tests.build.tiny import value, weights

DIM, HIDDEN, JOINT, LAYERS = 16, 10, 12, 2
PIECES = ["<unk>"] + [f"▁{i}" for i in range(22)]
VOCAB_SIZE = len(PIECES) + 1  # and blank


@dataclass(frozen=True)
class Encoder:
    """What varies between exports.

    halvings: of the frame rate.  looks_back: whether a convolution is padded in front only, as in
    streams.  is_ctc: whether the classes are in the graph.
    """

    num_mel_bins: int = 80
    halvings: int = 3
    looks_back: bool = False
    is_ctc: bool = True
    metadata: tuple[tuple[str, str], ...] = ()


def write_ctc(folder: Path, encoder: Encoder = Encoder()) -> Path:
    """As onnx-asr lays it out."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(make_encoder(encoder), folder / "model.onnx")
    return write_tokens(folder, "vocab.txt")


def write_tokens(folder: Path, name: str) -> Path:
    lines = [f"{piece} {number}\n" for number, piece in enumerate([*PIECES, "<blk>"])]
    (folder / name).write_text("".join(lines), encoding="utf-8")
    return folder


def make_encoder(kind: Encoder = Encoder()) -> onnx.ModelProto:
    """audio_signal [B, F, T], length [B] -> logprobs [B, T', V], or outputs [B, D, T'], lengths."""
    nodes = Nodes("")
    frames = nodes.add("Transpose", "audio_signal", perm=[0, 2, 1])
    frames = nodes.add("MatMul", frames, nodes.floats(weights(kind.num_mel_bins, DIM)))
    lens = nodes.add("Cast", "length", to=TensorProto.FLOAT)  # NeMo's calc_length
    frames = _mask(nodes, frames, lens)
    for number in range(kind.halvings):
        lens = _halve_lens(nodes, lens, kind.looks_back)
        frames = _mask(nodes, _halve(nodes, frames, number, kind.looks_back), lens)
    frames = nodes.add("Mul", frames, nodes.floats(2))
    inputs = [
        value("audio_signal", TensorProto.FLOAT, "B", kind.num_mel_bins, "T"),
        value("length", TensorProto.INT64, "B"),
    ]
    if kind.is_ctc:
        _add_classes(nodes, frames)
        outputs = [value("logprobs", TensorProto.FLOAT, "B", "T2", VOCAB_SIZE)]
    else:
        nodes.name(nodes.add("Transpose", frames, perm=[0, 2, 1]), "outputs")
        nodes.name(nodes.add("Cast", lens, to=TensorProto.INT64), "encoded_lengths")
        outputs = [
            value("outputs", TensorProto.FLOAT, "B", DIM, "T2"),
            value("encoded_lengths", TensorProto.INT64, "B"),
        ]
    return _model(nodes, inputs, outputs, dict(kind.metadata))


def _add_classes(nodes: Nodes, frames: str) -> None:
    bias = np.zeros(VOCAB_SIZE)
    bias[-1] = 0.5
    logits = nodes.add("MatMul", frames, nodes.floats(3 * weights(DIM, VOCAB_SIZE, 5)))
    logits = nodes.add("Add", logits, nodes.floats(bias))
    nodes.name(nodes.add("LogSoftmax", logits, axis=2), "logprobs")


def _halve(nodes: Nodes, frames: str, number: int, looks_back: bool) -> str:
    """Frame t reads frames 2t - 1 to 2t + 1, or 2t - 2 to 2t where only what came before counts."""
    pads = [0, 2, 0, 0, 1, 0] if looks_back else [0, 1, 0, 0, 1, 0]
    padded = nodes.add("Pad", frames, nodes.ints(pads))
    width = nodes.add("Slice", nodes.add("Shape", padded), nodes.ints([1]), nodes.ints([2]))
    parts = []
    for tap in range(3):
        end = nodes.add("Add", width, nodes.ints(tap - 2))
        part = nodes.add("Slice", padded, nodes.ints([tap]), end, nodes.ints([1]), nodes.ints([2]))
        seed = 10 * number + tap
        parts.append(nodes.add("MatMul", part, nodes.floats(weights(DIM, DIM, seed))))
    summed = nodes.add("Add", nodes.add("Add", parts[0], parts[1]), parts[2])
    return nodes.add("Tanh", nodes.add("Add", summed, nodes.floats(0.1)))


def _halve_lens(nodes: Nodes, lens: str, looks_back: bool) -> str:
    """floor((n + pads - 3) / 2) + 1, in floats."""
    pads = 0 if looks_back else -1
    halved = nodes.add("Div", nodes.add("Add", lens, nodes.floats(pads)), nodes.floats(2))
    return nodes.add("Add", nodes.add("Floor", halved), nodes.floats(1))


def _mask(nodes: Nodes, frames: str, lens: str) -> str:
    width = nodes.add("Gather", nodes.add("Shape", frames), nodes.ints(1))
    steps = nodes.add("Range", nodes.ints(0), width, nodes.ints(1))
    steps = nodes.add("Cast", steps, to=TensorProto.FLOAT)
    valid = nodes.add("Less", steps, nodes.add("Unsqueeze", lens, nodes.ints([1])))
    valid = nodes.add("Unsqueeze", valid, nodes.ints([2]))
    return nodes.add("Where", valid, frames, nodes.floats(0))


def _model(
    nodes: Nodes,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes.nodes, "tiny", inputs, outputs, nodes.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    helper.set_model_props(model, metadata or {})
    return model
