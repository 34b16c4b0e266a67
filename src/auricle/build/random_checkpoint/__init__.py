"""A transducer of realistic size and random weights, to measure speed with.

Takes a few utterances' features, gives a checkpoint folder in icefall's form. Its words
mean nothing, but it emits them at the rate of speech: blank's bias is set by bisection so that
greedy search over those utterances emits a token at EMISSION_RATE of the frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from auricle.build.random_checkpoint import transducer
from auricle.build.random_checkpoint.conformer import Shape, encoder
from auricle.build.random_checkpoint.streaming import CHUNK, HOP, WINDOW
from auricle.build.random_checkpoint.streaming import encoder as streaming_encoder
from auricle.errors import CheckpointError

EMISSION_RATE = 0.15  # tokens per frame of 40 ms: 3.75 a second, as English in 500 pieces
STEM = "epoch-0-avg-1"

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Greedy:
    """Frame-by-frame search over nets whose blank has no bias yet."""

    decoder: onnxruntime.InferenceSession
    joiner: onnxruntime.InferenceSession

    def emission_rate(self, encoder_out: Sequence[Floats], blank_bias: float) -> float:
        emitted = sum(self._count_tokens(frames, blank_bias) for frames in encoder_out)
        return emitted / sum(len(frames) for frames in encoder_out)

    def _count_tokens(self, frames: Floats, blank_bias: float) -> int:
        context = [-1, 0]
        decoder_out = self._decode(context)
        emitted = 0
        for frame in frames:
            logit = self.joiner.run(
                ["logit"], {"encoder_out": frame[None], "decoder_out": decoder_out}
            )[0][0]
            logit[0] += blank_bias
            token = int(logit.argmax())
            if token:
                emitted += 1
                context = [context[1], token]
                decoder_out = self._decode(context)
        return emitted

    def _decode(self, context: list[int]) -> Floats:
        found: Floats = self.decoder.run(["decoder_out"], {"y": np.array([context], np.int64)})[0]
        return found


def write(  # one a fact of the checkpoint
    folder: Path,
    features: Sequence[Floats],
    shape: Shape | None = None,
    seed: int = 1,
    *,
    streaming: bool = False,
) -> None:
    """Write encoder, decoder, joiner and tokens.txt to `folder`, which must be new or empty.

    features: float32 [T, 80] of each utterance, as kaldi's fbank; some seconds are enough.
    streaming: whether the encoder works window by window.
    """
    shape = shape or Shape()
    if folder.exists() and any(folder.iterdir()):
        raise CheckpointError(f"{folder} is not empty; name a new folder for the random checkpoint")
    folder.mkdir(parents=True, exist_ok=True)
    make, encode = (streaming_encoder, _encode_windows) if streaming else (encoder, _encode)
    onnx.save(make(shape, seed), folder / f"encoder-{STEM}.onnx")
    onnx.save(transducer.decoder(shape.joiner_dim, seed + 1), folder / f"decoder-{STEM}.onnx")
    encoder_out = encode(folder / f"encoder-{STEM}.onnx", features)
    greedy = Greedy(
        _session((folder / f"decoder-{STEM}.onnx").read_bytes()),
        _session(transducer.joiner(shape.joiner_dim, seed + 2, 0.0).SerializeToString()),
    )
    bias = find_blank_bias(greedy, encoder_out)
    onnx.save(transducer.joiner(shape.joiner_dim, seed + 2, bias), folder / f"joiner-{STEM}.onnx")
    lines = [f"{token} {index}\n" for index, token in enumerate(transducer.tokens())]
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")


def find_blank_bias(greedy: Greedy, encoder_out: Sequence[Floats]) -> float:
    """The bias at which EMISSION_RATE of the frames emit a token."""
    low, high = -16.0, 16.0  # logits have about unit variance
    for _ in range(14):
        middle = (low + high) / 2
        if greedy.emission_rate(encoder_out, middle) > EMISSION_RATE:
            low = middle
        else:
            high = middle
    return high


def _encode(path: Path, features: Sequence[Floats]) -> list[Floats]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [
        session.run(["encoder_out"], {"x": x[None], "x_lens": np.array([len(x)], np.int64)})[0][0]
        for x in features
    ]


def _encode_windows(path: Path, features: Sequence[Floats]) -> list[Floats]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    caches = {
        value.name: np.zeros([1 if dim == "N" else dim for dim in value.shape], np.float32)
        for value in session.get_inputs()[1:3]
    }
    found = []
    for x in features:
        states = dict(caches)
        frames: list[Floats] = []
        for start in range(0, len(x) - WINDOW + 1, HOP):
            window = x[None, start : start + WINDOW]
            done = np.array([CHUNK * len(frames)], np.int64)
            outputs = session.run(None, {"x": window, "processed_lens": done, **states})
            frames.append(outputs[0][0])
            states = dict(zip(states, outputs[1:], strict=True))
        found.append(np.concatenate(frames))
    return found


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
