"""The small nets of a transducer of random weights: icefall's stateless decoder and its joiner."""

import numpy as np
import onnx

from auricle.build.random_checkpoint.graph import Graph

FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
VOCAB_SIZE, CONTEXT_SIZE = 500, 2
DECODER_DIM, GROUPS = 512, 128
DECODER_GAIN = 0.3  # speech, not the last two tokens, decides when the next one comes
SPECIAL = ("<blk>", "<sos/eos>", "<unk>")
NEVER = -1e4  # bias of the special tokens after blank: runtimes disagree about <unk>


def decoder(joiner_dim: int, seed: int) -> onnx.ModelProto:
    """From y [N, 2] to decoder_out [N, J]; a y below 0 is no token, and embeds to zeros."""
    graph = Graph(seed)
    known = graph.add("Max", "y", graph.integers(0))
    table = graph.weight(VOCAB_SIZE, DECODER_DIM, fan_in=1)
    is_token = graph.add("Cast", graph.add("GreaterOrEqual", "y", graph.integers(0)), to=FLOAT)
    embedded = graph.add(
        "Mul",
        graph.add("Gather", table, known),
        graph.add("Unsqueeze", is_token, graph.integers(2)),
    )
    embedded = graph.add("Transpose", embedded, perm=[0, 2, 1])  # [N, 2, D] -> [N, D, 2]
    inputs = DECODER_DIM // GROUPS
    kernel = graph.weight(DECODER_DIM, inputs, CONTEXT_SIZE, fan_in=inputs * CONTEXT_SIZE)
    mixed = graph.add("Relu", graph.add("Conv", embedded, kernel, group=GROUPS))
    flat = graph.add("Squeeze", mixed, graph.integers(2))
    decoder_out = graph.linear(flat, DECODER_DIM, joiner_dim, gain=DECODER_GAIN)
    graph.rename(decoder_out, "decoder_out")
    return graph.finish(
        {"y": (INT64, ["N", CONTEXT_SIZE])},
        {"decoder_out": (FLOAT, ["N", joiner_dim])},
        {"context_size": str(CONTEXT_SIZE), "vocab_size": str(VOCAB_SIZE)},
    )


def joiner(joiner_dim: int, seed: int, blank_bias: float) -> onnx.ModelProto:
    """encoder_out, decoder_out [N, J] -> logit [N, V]; `blank_bias` is added to blank's."""
    graph = Graph(seed)
    activity = graph.add("Tanh", graph.add("Add", "encoder_out", "decoder_out"))
    weight = graph.weight(joiner_dim, VOCAB_SIZE, fan_in=joiner_dim)
    bias = np.zeros(VOCAB_SIZE, np.float32)
    bias[0], bias[1 : len(SPECIAL)] = blank_bias, NEVER
    logit = graph.add("Add", graph.add("MatMul", activity, weight), graph.constant(bias))
    graph.rename(logit, "logit")
    return graph.finish(
        {"encoder_out": (FLOAT, ["N", joiner_dim]), "decoder_out": (FLOAT, ["N", joiner_dim])},
        {"logit": (FLOAT, ["N", VOCAB_SIZE])},
        {"joiner_dim": str(joiner_dim)},
    )


def tokens() -> list[str]:
    """Syllables, with and without the mark of a word's start, after the special tokens."""
    syllables = [
        f"{a}{b}{c}" for a in "bdfgklmnprstvz" for b in "aeiou" for c in ("", "n", "r", "s")
    ]
    return [*SPECIAL, *(mark + text for text in syllables for mark in ("▁", ""))][:VOCAB_SIZE]
