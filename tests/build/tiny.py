"""Checkpoints of a few kilobytes with the files, names and oddities of icefall's exports.

The network is arithmetic on real features: subsampling by 4 that looks at frames to the right, a
padding mask, optional positions, a projection. It is not trained, and need not be.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from auricle.build.frontend.nodes import Nodes

NUM_MEL_BINS, DIM, JOINER_DIM, VOCAB_SIZE, CONTEXT_SIZE = 80, 16, 12, 30, 2
SYMBOLS = ["<blk>", "<sos/eos>", "<unk>"] + [f"▁{i}" for i in range(VOCAB_SIZE - 3)]


@dataclass(frozen=True)
class Encoder:
    """What varies between exports.

    mask_by_lens: the mask spans the longest row, so x may not be padded beyond it (conformer, CTC).
    padding_branch: an If around the padding of the last downsampling (zipformer2, scripted).
    max_frames: rows of a table of positions, in frames after the first subsampling; 0 for none.
    projects: whether encoder_out is as the joiner adds it, not before its projection.
    """

    lens_dtype: int = TensorProto.INT64
    io_dtype: int = TensorProto.FLOAT
    mask_by_lens: bool = False
    padding_branch: bool = False
    max_frames: int = 0
    is_ctc: bool = False
    opset: int = 13
    metadata: tuple[tuple[str, str], ...] = (("model_type", "zipformer2"), ("version", "1"))
    names: tuple[str, str] = ("x", "x_lens")
    projects: bool = True


def write_transducer(folder: Path, encoder: Encoder = Encoder(), suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"epoch-30-avg-9{suffix}.onnx"
    onnx.save(make_encoder(encoder), folder / f"encoder-{stem}")
    onnx.save(make_decoder(encoder.lens_dtype), folder / f"decoder-{stem}")
    onnx.save(make_joiner(), folder / f"joiner-{stem}")
    return write_tokens(folder)


def write_sherpa_transducer(folder: Path, encoder: Encoder) -> Path:
    """The projections are in the joiner, and the decoder's output has a middle axis."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = replace(encoder, projects=False)
    onnx.save(make_encoder(plain), folder / "encoder.onnx")
    onnx.save(make_decoder(middle_axis=True, io_dtype=encoder.io_dtype), folder / "decoder.onnx")
    onnx.save(make_projecting_joiner(encoder.io_dtype), folder / "joiner.onnx")
    return write_tokens(folder)


def write_ctc(folder: Path, encoder: Encoder = Encoder(is_ctc=True), suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(make_encoder(encoder), folder / f"model{suffix}.onnx")
    return write_tokens(folder)


def write_tokens(folder: Path) -> Path:
    lines = [f"{symbol} {number}\n" for number, symbol in enumerate(SYMBOLS)]
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    return folder


def make_encoder(kind: Encoder) -> onnx.ModelProto:
    """x [N, T, 80], x_lens [N] -> encoder_out [N, T', J] or log_probs [N, T', V], and lens [N]."""
    nodes = Nodes("")
    x = nodes.add("Cast", kind.names[0], to=TensorProto.FLOAT)
    lens = nodes.add("Cast", kind.names[1], to=TensorProto.INT64)
    frames = _subsample(nodes, x)
    halved = _halve(nodes, nodes.add("Sub", lens, nodes.ints(7)))
    frames = _mask(nodes, frames, halved, by_lens=kind.mask_by_lens)
    if kind.max_frames:
        frames = _add_positions(nodes, frames, kind.max_frames)
    frames = _downsample(nodes, frames, branch=kind.padding_branch)
    out_lens = _halve(nodes, nodes.add("Add", halved, nodes.ints(1)))
    if kind.is_ctc:
        frames = nodes.add("MatMul", frames, nodes.floats(weights(2 * DIM, VOCAB_SIZE)))
        frames = nodes.add("LogSoftmax", frames, axis=2)
    elif kind.projects:
        frames = nodes.add("MatMul", frames, nodes.floats(weights(2 * DIM, JOINER_DIM)))
    names = ("log_probs", "log_probs_len") if kind.is_ctc else ("encoder_out", "encoder_out_lens")
    nodes.name(nodes.add("Cast", frames, to=kind.io_dtype), names[0])
    nodes.name(nodes.add("Cast", out_lens, to=kind.lens_dtype), names[1])
    size = VOCAB_SIZE if kind.is_ctc else JOINER_DIM if kind.projects else 2 * DIM
    made = model(
        nodes,
        [
            value(kind.names[0], kind.io_dtype, "N", "T", NUM_MEL_BINS),
            value(kind.names[1], kind.lens_dtype, "N"),
        ],
        [value(names[0], kind.io_dtype, "N", "T", size), value(names[1], kind.lens_dtype, "N")],
        kind.opset,
    )
    helper.set_model_props(made, dict(kind.metadata))
    return made


def make_decoder(
    dtype: int = TensorProto.INT64, *, middle_axis: bool = False, io_dtype: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """y [N, 2] -> decoder_out [N, J]; with middle_axis [N, 1, J], as sherpa exports it."""
    nodes = Nodes("")
    ids = nodes.add("Max", nodes.add("Cast", "y", to=TensorProto.INT64), nodes.ints(-1))
    ids = nodes.add("Add", ids, nodes.ints(1))  # -1 is a row of its own
    embedded = nodes.add("Gather", nodes.floats(weights(VOCAB_SIZE + 1, JOINER_DIM)), ids)
    summed = nodes.add("ReduceSum", embedded, nodes.ints([1]), keepdims=int(middle_axis))
    nodes.name(nodes.add("Cast", summed, to=io_dtype), "decoder_out")
    shape: list[int | str] = ["N", 1, JOINER_DIM] if middle_axis else ["N", JOINER_DIM]
    made = model(
        nodes,
        [value("y", dtype, "N", CONTEXT_SIZE)],
        [value("decoder_out", io_dtype, *shape)],
    )
    helper.set_model_props(made, {"context_size": "2", "vocab_size": str(VOCAB_SIZE)})
    return made


def make_joiner(dim: int = JOINER_DIM) -> onnx.ModelProto:
    nodes = Nodes("")
    both = nodes.add("Tanh", nodes.add("Add", "encoder_out", "decoder_out"))
    nodes.name(nodes.add("MatMul", both, nodes.floats(weights(dim, VOCAB_SIZE))), "logit")
    made = model(
        nodes,
        [value(name, TensorProto.FLOAT, "N", dim) for name in ("encoder_out", "decoder_out")],
        [value("logit", TensorProto.FLOAT, "N", VOCAB_SIZE)],
    )
    helper.set_model_props(made, {"joiner_dim": str(dim)})
    return made


def make_projecting_joiner(dtype: int) -> onnx.ModelProto:
    """encoder_out [N, D], decoder_out [N, J] -> logit [N, V], each projected first."""
    nodes = Nodes("")
    parts = [
        nodes.add("MatMul", nodes.add("Cast", name, to=TensorProto.FLOAT), nodes.floats(weights))
        for name, weights in (
            ("encoder_out", weights(2 * DIM, JOINER_DIM)),
            ("decoder_out", np.eye(JOINER_DIM)),
        )
    ]
    both = nodes.add("Tanh", nodes.add("Add", *parts))
    logit = nodes.add("MatMul", both, nodes.floats(weights(JOINER_DIM, VOCAB_SIZE)))
    nodes.name(nodes.add("Cast", logit, to=dtype), "logit")
    return model(
        nodes,
        [value("encoder_out", dtype, "N", 2 * DIM), value("decoder_out", dtype, "N", JOINER_DIM)],
        [value("logit", dtype, "N", VOCAB_SIZE)],
    )


def _subsample(nodes: Nodes, x: str) -> str:
    """Frame t of the (T - 7) // 2 reads frames 2t and 2t + 8 of x."""
    first = nodes.add("Slice", x, *map(nodes.ints, ([0], [-8], [1], [2])))
    later = nodes.add("Slice", x, *map(nodes.ints, ([8], [1 << 30], [1], [2])))
    parts = [
        nodes.add("MatMul", part, nodes.floats(weights(NUM_MEL_BINS, DIM, seed)))
        for seed, part in enumerate((first, later))
    ]
    return nodes.add("Tanh", nodes.add("Add", *parts))


def _halve(nodes: Nodes, lens: str) -> str:
    return nodes.add("Div", lens, nodes.ints(2))


def _mask(nodes: Nodes, frames: str, lens: str, *, by_lens: bool) -> str:
    """Zero the frames beyond lens."""
    if by_lens:
        width = nodes.add("ReduceMax", lens, keepdims=0)
    else:
        width = nodes.add("Gather", nodes.add("Shape", frames), nodes.ints(1))
    steps = nodes.add("Range", nodes.ints(0), width, nodes.ints(1))
    valid = nodes.add("Less", steps, nodes.add("Unsqueeze", lens, nodes.ints([1])))
    valid = nodes.add("Unsqueeze", valid, nodes.ints([2]))
    return nodes.add("Where", valid, frames, nodes.floats(0))


def _add_positions(nodes: Nodes, frames: str, max_frames: int) -> str:
    table = nodes.floats(weights(max_frames, DIM))
    width = nodes.add("Slice", nodes.add("Shape", frames), *map(nodes.ints, ([1], [2])))
    return nodes.add("Add", frames, nodes.add("Slice", table, nodes.ints([0]), width))


def _downsample(nodes: Nodes, frames: str, *, branch: bool) -> str:
    """Pairs of frames, [N, T, D] -> [N, (T + 1) // 2, 2 D]; an odd last one is doubled."""
    width = nodes.add("Gather", nodes.add("Shape", frames), nodes.ints([1]))
    missing = nodes.add("Mod", width, nodes.ints(2))
    padded = _pad_in_branch(nodes, frames, missing) if branch else _pad(nodes, frames, missing)
    return nodes.add("Reshape", padded, nodes.ints([0, -1, 2 * DIM]))


def _pad(nodes: Nodes, frames: str, missing: str) -> str:
    last = nodes.add("Slice", frames, *map(nodes.ints, ([-1], [1 << 30], [1])))
    shape = nodes.add("Concat", nodes.ints([1]), missing, nodes.ints([DIM]), axis=0)
    return nodes.add("Concat", frames, nodes.add("Expand", last, shape), axis=1)


def _pad_in_branch(nodes: Nodes, frames: str, missing: str) -> str:
    inside = Nodes("branch/")
    result = _pad(inside, frames, missing)
    then_branch = helper.make_graph(
        inside.nodes, "then", [], [value(result, TensorProto.FLOAT)], inside.constants
    )
    same = helper.make_node("Identity", [frames], ["same"])
    else_branch = helper.make_graph([same], "else", [], [value("same", TensorProto.FLOAT)])
    is_odd = nodes.add("Cast", nodes.add("Squeeze", missing), to=TensorProto.BOOL)
    nodes.nodes.append(
        helper.make_node(
            "If", [is_odd], ["padded"], then_branch=then_branch, else_branch=else_branch
        )
    )
    return "padded"


def weights(rows: int, columns: int, seed: int = 0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, 1 / np.sqrt(rows), (rows, columns))


def value(name: str, dtype: int, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape or None)


def model(
    nodes: Nodes,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    opset: int = 13,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes.nodes, "tiny", inputs, outputs, nodes.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return model
