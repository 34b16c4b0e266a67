"""Word error rates on the held-out lists: exported files, and other modes of the checkpoint.

Reads audio that training.heldout wrote. Nothing here feeds back into training.
"""

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import kaldialign
import numpy as np
import onnxruntime
import soundfile
import torch
from numpy.typing import NDArray

from training.decode import attention_greedy, ctc_greedy, transducer_greedy
from training.features import ICEFALL, Style, fbank
from training.heads import AttentionDecoder
from training.heldout import HELD_OUT, SEEN_VOICES, SHIPPED
from training.model import Recognizer, load
from training.tokens import load_bpe

logger = logging.getLogger(__name__)

Array = NDArray[np.float32]
Transcriber = Callable[[Array], list[int]]  # features [T, 80] to token ids

CHUNK, LEFT_CONTEXT = 16, 64  # encoder frames of 40 ms: 640 ms chunks
TOKENS_PER_FRAME = 0.5  # an attention decoder that has not stopped by then is looping


def open_session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _one(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"{name}-epoch-*-avg-*.onnx")
    return path


def onnx_transducer(folder: Path) -> Transcriber:
    encoder, decoder, joiner = (
        open_session(_one(folder, name)) for name in ("encoder", "decoder", "joiner")
    )

    def transcribe(features: Array) -> list[int]:
        feed = {"x": features[None], "x_lens": np.array([len(features)])}
        encoder_out, lens = encoder.run(None, feed)
        (tokens,) = transducer_greedy(
            encoder_out,
            lens,
            lambda y: np.asarray(decoder.run(None, {"y": y})[0]),
            lambda a, b: np.asarray(joiner.run(None, {"encoder_out": a, "decoder_out": b})[0]),
        )
        return tokens

    return transcribe


def onnx_ctc(folder: Path) -> Transcriber:
    model = open_session(folder / "model.onnx")

    def transcribe(features: Array) -> list[int]:
        feed = {"x": features[None], "x_lens": np.array([len(features)])}
        (tokens,) = ctc_greedy(*model.run(None, feed))
        return tokens

    return transcribe


def torch_transducer(model: Recognizer, chunk: int) -> Transcriber:
    """The checkpoint in torch; chunk as in Encoder.forward."""

    def decoder(y: NDArray[np.int64]) -> Array:
        return np.asarray(model.decoder_proj(model.decoder(torch.from_numpy(y))).squeeze(1))

    def joiner(a: Array, b: Array) -> Array:
        return np.asarray(model.joiner(torch.from_numpy(a), torch.from_numpy(b)))

    @torch.inference_mode()
    def transcribe(features: Array) -> list[int]:
        encoder_out, lens = _encode(model, features, chunk)
        projected = model.encoder_proj(encoder_out).numpy()
        (tokens,) = transducer_greedy(projected, lens.tolist(), decoder, joiner)
        return tokens

    return transcribe


def torch_ctc(model: Recognizer, chunk: int) -> Transcriber:
    @torch.inference_mode()
    def transcribe(features: Array) -> list[int]:
        encoder_out, lens = _encode(model, features, chunk)
        (tokens,) = ctc_greedy(model.ctc(encoder_out).numpy(), lens.tolist())
        return tokens

    return transcribe


def torch_attention(model: Recognizer, decoder: AttentionDecoder, backwards: bool) -> Transcriber:
    @torch.inference_mode()
    def transcribe(features: Array) -> list[int]:
        memory = _encode(model, features, 0)
        limit = int(memory[0].shape[1] * TOKENS_PER_FRAME) + 1
        (tokens,) = attention_greedy(
            lambda y: decoder(torch.from_numpy(y), *memory)[:, -1].numpy(), 1, limit
        )
        return tokens[::-1] if backwards else tokens

    return transcribe


def _encode(model: Recognizer, features: Array, chunk: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.from_numpy(features).unsqueeze(0)
    encoder_out, lens = model.encoder(x, torch.tensor([len(features)]), chunk, LEFT_CONTEXT)
    return encoder_out, lens


def read_set(folder: Path, style: Style = ICEFALL) -> list[tuple[Array, list[str]]]:
    """Features and reference words of every utterance in a folder with wav.scp and text."""
    texts = dict(
        line.split(maxsplit=1)
        for line in (folder / "text").read_text(encoding="utf-8").splitlines()
    )
    utterances = []
    for line in (folder / "wav.scp").read_text(encoding="utf-8").splitlines():
        name, path = line.split(maxsplit=1)
        waveform, _ = soundfile.read(folder / path, dtype="float32")
        utterances.append((fbank(waveform, style), texts[name].split()))
    return utterances


def word_error_rate(
    transcribe: Transcriber, utterances: Sequence[tuple[Array, list[str]]], bpe_model: Path
) -> float:
    """In percent: substitutions, deletions and insertions over reference words."""
    bpe = load_bpe(bpe_model)
    errors = sum(
        kaldialign.edit_distance(words, bpe.decode(transcribe(features)).split())["total"]
        for features, words in utterances
    )
    return 100 * errors / sum(len(words) for _, words in utterances)


def _transcribers(assets: Path, checkpoint: Path) -> dict[str, Transcriber]:
    model, _ = load(checkpoint)
    return {
        "transducer": onnx_transducer(assets / "icefall-transducer"),
        "ctc": onnx_ctc(assets / "icefall-ctc"),
        "transducer, 640 ms chunks": torch_transducer(model, CHUNK),
        "ctc, 640 ms chunks": torch_ctc(model, CHUNK),
        "attention, left to right": torch_attention(model, model.left_to_right, False),
        "attention, right to left": torch_attention(model, model.right_to_left, True),
    }


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("audio", type=Path, help="written by training.heldout --audio")
    parser.add_argument("assets", type=Path, help="written by training.export")
    parser.add_argument("--checkpoint", type=Path, help="default: assets/checkpoint.pt")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    folders = {name: args.audio / name for name in (HELD_OUT.stem, SEEN_VOICES.stem)}
    sets = {name: read_set(path) for name, path in (folders | {"shipped": SHIPPED}).items()}
    bpe = args.assets / "icefall-transducer" / "bpe.model"
    results: dict[str, dict[str, float]] = {name: {} for name in sets}
    checkpoint = args.checkpoint or args.assets / "checkpoint.pt"
    for mode, transcribe in _transcribers(args.assets, checkpoint).items():
        for name, utterances in sets.items():
            results[name][mode] = round(word_error_rate(transcribe, utterances, bpe), 2)
            logger.info("%s, %s: %.2f %%", name, mode, results[name][mode])
    args.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
