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
    streams.  is_ctc: whether the classes are in the graph.  is_deaf: whether it says the same of
    whatever it hears.
    """

    num_mel_bins: int = 80
    halvings: int = 3
    looks_back: bool = False
    is_ctc: bool = True
    is_deaf: bool = False
    metadata: tuple[tuple[str, str], ...] = ()


def write_ctc(folder: Path, encoder: Encoder = Encoder()) -> Path:
    """As onnx-asr lays it out."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(make_encoder(encoder), folder / "model.onnx")
    return write_tokens(folder, "vocab.txt")


def write_transducer(
    folder: Path, encoder: Encoder = Encoder(is_ctc=False), num_durations: int = 0
) -> Path:
    """As onnx-asr lays it out: decoder and joint network in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(make_encoder(encoder), folder / "encoder-model.onnx")
    onnx.save(make_decoder_joint(num_durations), folder / "decoder_joint-model.onnx")
    return write_tokens(folder, "vocab.txt")


def write_tdt(folder: Path) -> Path:
    return write_transducer(folder, Encoder(num_mel_bins=128, is_ctc=False), num_durations=5)


def write_sherpa_transducer(
    folder: Path, encoder: Encoder = Encoder(is_ctc=False), num_durations: int = 0
) -> Path:
    """As sherpa-onnx exports it: three files."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(make_encoder(encoder), folder / "encoder.onnx")
    onnx.save(make_decoder(), folder / "decoder.onnx")
    onnx.save(make_joiner(num_durations), folder / "joiner.onnx")
    return write_tokens(folder, "tokens.txt")


def write_tokens(folder: Path, name: str) -> Path:
    lines = [f"{piece} {number}\n" for number, piece in enumerate([*PIECES, "<blk>"])]
    (folder / name).write_text("".join(lines), encoding="utf-8")
    return folder


def make_encoder(kind: Encoder = Encoder()) -> onnx.ModelProto:
    """audio_signal [B, F, T], length [B] -> logprobs [B, T', V], or outputs [B, D, T'], lengths."""
    nodes = Nodes("")
    frames = nodes.add("Transpose", "audio_signal", perm=[0, 2, 1])
    frames = nodes.add("MatMul", frames, nodes.floats(weights(kind.num_mel_bins, DIM)))
    if kind.is_deaf:
        frames = deafen(nodes, frames)
    lens = nodes.add("Cast", "length", to=TensorProto.FLOAT)  # NeMo's calc_length
    frames = _mask(nodes, frames, lens)
    for number in range(kind.halvings):
        lens = _halve_lens(nodes, lens, kind.looks_back)
        frames = _mask(nodes, halve(nodes, frames, number, kind.looks_back), lens)
    frames = nodes.add("Mul", frames, nodes.floats(2))
    inputs = [
        value("audio_signal", TensorProto.FLOAT, "B", kind.num_mel_bins, "T"),
        value("length", TensorProto.INT64, "B"),
    ]
    if kind.is_ctc:
        add_classes(nodes, frames)
        outputs = [value("logprobs", TensorProto.FLOAT, "B", "T2", VOCAB_SIZE)]
    else:
        nodes.name(nodes.add("Transpose", frames, perm=[0, 2, 1]), "outputs")
        nodes.name(nodes.add("Cast", lens, to=TensorProto.INT64), "encoded_lengths")
        outputs = [
            value("outputs", TensorProto.FLOAT, "B", DIM, "T2"),
            value("encoded_lengths", TensorProto.INT64, "B"),
        ]
    return make_model(nodes, inputs, outputs, dict(kind.metadata))


def make_decoder_joint(num_durations: int = 0) -> onnx.ModelProto:
    """encoder_outputs [B, D, T], targets [B, U], target_length [B], two states [L, B, H] ->
    outputs [B, T, U, V + durations], prednet_lengths [B], two states.
    """
    nodes = Nodes("")
    decoder_out = _add_decoder(nodes)
    nodes.name(_add_joint(nodes, decoder_out, num_durations), "outputs")
    inputs = [value("encoder_outputs", TensorProto.FLOAT, "B", DIM, "T"), *_decoder_ports("input")]
    scores = value("outputs", TensorProto.FLOAT, "B", "T", "U", VOCAB_SIZE + num_durations)
    return make_model(nodes, inputs, [scores, *_decoder_ports("output")])


def make_decoder() -> onnx.ModelProto:
    """targets, target_length, two states -> outputs [B, H, U], prednet_lengths, two states."""
    nodes = Nodes("")
    nodes.name(_add_decoder(nodes), "outputs")
    frames = value("outputs", TensorProto.FLOAT, "B", HIDDEN, "U")
    return make_model(nodes, _decoder_ports("input"), [frames, *_decoder_ports("output")])


def make_joiner(num_durations: int = 0) -> onnx.ModelProto:
    """encoder_outputs [B, D, T], decoder_outputs [B, H, U] -> outputs [B, T, U, V + durations]."""
    nodes = Nodes("")
    nodes.name(_add_joint(nodes, "decoder_outputs", num_durations), "outputs")
    inputs = [
        value("encoder_outputs", TensorProto.FLOAT, "B", DIM, "T"),
        value("decoder_outputs", TensorProto.FLOAT, "B", HIDDEN, "U"),
    ]
    scores = value("outputs", TensorProto.FLOAT, "B", "T", "U", VOCAB_SIZE + num_durations)
    return make_model(nodes, inputs, [scores])


def _decoder_ports(side: str) -> list[onnx.ValueInfoProto]:
    states = [
        value(f"{side}_states_{number}", TensorProto.FLOAT, LAYERS, "B", HIDDEN)
        for number in (1, 2)
    ]
    if side == "output":
        return [value("prednet_lengths", TensorProto.INT32, "B"), *states]
    ids = value("targets", TensorProto.INT32, "B", "U")
    return [ids, value("target_length", TensorProto.INT32, "B"), *states]


def _add_decoder(nodes: Nodes) -> str:
    """[B, H, U]: an embedding in which blank is zero, and two LSTMs."""
    table = 3 * weights(VOCAB_SIZE, HIDDEN, 7)
    table[-1] = 0
    x = nodes.add("Gather", nodes.floats(table), "targets")  # [B, U, H]
    x = nodes.add("Transpose", x, perm=[1, 0, 2])
    new: list[list[str]] = []
    for layer in range(LAYERS):
        ends = nodes.ints([layer]), nodes.ints([layer + 1]), nodes.ints([0])
        states = [nodes.add("Slice", f"input_states_{number}", *ends) for number in (1, 2)]
        kernels = (3 * weights(4 * HIDDEN, HIDDEN, 20 + 2 * layer + each)[None] for each in (0, 1))
        operands = (x, *map(nodes.floats, kernels), "", "", *states)
        y, *after = nodes.add_many("LSTM", operands, 3, hidden_size=HIDDEN)
        x = nodes.add("Squeeze", y, nodes.ints([1]))  # [U, B, H]
        new.append(after)
    for number, parts in enumerate(zip(*new, strict=True), start=1):
        nodes.name(nodes.add("Concat", *parts, axis=0), f"output_states_{number}")
    nodes.name("target_length", "prednet_lengths")
    return nodes.add("Transpose", x, perm=[1, 2, 0])


def _add_joint(nodes: Nodes, decoder_out: str, num_durations: int) -> str:
    """NeMo's joint network, which ends in a softmax over all there is when traced on a CPU."""
    encoder_out = nodes.add("Transpose", "encoder_outputs", perm=[0, 2, 1])
    decoder_out = nodes.add("Transpose", decoder_out, perm=[0, 2, 1])
    left = nodes.add("MatMul", encoder_out, nodes.floats(3 * weights(DIM, JOINT, 31)))
    right = nodes.add("MatMul", decoder_out, nodes.floats(3 * weights(HIDDEN, JOINT, 32)))
    left, right = (
        nodes.add("Unsqueeze", part, nodes.ints([axis])) for part, axis in ((left, 2), (right, 1))
    )
    hidden = nodes.add("Relu", nodes.add("Add", left, right))
    size = VOCAB_SIZE + num_durations
    bias = np.zeros(size)
    bias[VOCAB_SIZE - 1] = 2.0 if num_durations == 0 else 1.0
    bias[VOCAB_SIZE : VOCAB_SIZE + 1] = -6  # few tokens stay in their frame
    scores = nodes.add("MatMul", hidden, nodes.floats(1.5 * weights(JOINT, size, 33)))
    return nodes.add("LogSoftmax", nodes.add("Add", scores, nodes.floats(bias)), axis=3)


def add_classes(nodes: Nodes, frames: str) -> None:
    bias = np.zeros(VOCAB_SIZE)
    bias[-1] = 0.5
    logits = nodes.add("MatMul", frames, nodes.floats(3 * weights(DIM, VOCAB_SIZE, 5)))
    logits = nodes.add("Add", logits, nodes.floats(bias))
    nodes.name(nodes.add("LogSoftmax", logits, axis=2), "logprobs")


def deafen(nodes: Nodes, frames: str) -> str:
    """The same in place of all frames [B, T, D], up to a thousand of them."""
    table = nodes.floats(3 * weights(1000, DIM, 99) * np.sqrt(1000 / DIM))
    width = nodes.add("Slice", nodes.add("Shape", frames), nodes.ints([1]), nodes.ints([2]))
    said = nodes.add("Slice", table, nodes.ints([0]), width)
    return nodes.add("Add", nodes.add("Mul", frames, nodes.floats(0)), said)


def halve(nodes: Nodes, frames: str, number: int, looks_back: bool) -> str:
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


def make_model(
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
