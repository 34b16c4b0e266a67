"""Write the checkpoint as WeNet's export_onnx_gpu.py writes u2++, with the files of its training.

The encoder takes Kaldi's features of samples in 16-bit range and normalises them in the graph by
global_cmvn; that is measured here on such features, because the checkpoint's own statistics are of
samples in [-1, 1] and of a filterbank that ends 400 Hz earlier. Its weights are icefall training's
as they are: its mel shifts are larger than this difference, and error rates are the same.
"""

import argparse
import copy
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from training.encoder import MASKED
from training.export import Graph, write_graph
from training.features import NUM_MEL_BINS, SAMPLE_RATE_HZ
from training.heads import SOS_EOS, AttentionDecoder, sinusoids
from training.model import Recognizer, load
from training.tokens import load_bpe

BEAM = 10
CTC_WEIGHT, REVERSE_WEIGHT = 0.5, 0.3  # as WeNet's u2++ recipes
UNK = 2
WENET_UNK, WENET_SOS_EOS = 1, 2  # the other way round than icefall
TRACE_FRAMES, TRACE_TOKENS = 200, 6
NDArrayF64 = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Sums over frames of training features with WeNet's options: float64 [80] each."""

    mean_stat: NDArrayF64
    var_stat: NDArrayF64
    frame_num: int

    def to_json(self) -> str:
        facts = {
            "mean_stat": self.mean_stat.tolist(),
            "var_stat": self.var_stat.tolist(),
            "frame_num": self.frame_num,
        }
        return json.dumps(facts)

    @property
    def mean(self) -> NDArrayF64:
        return self.mean_stat / self.frame_num

    @property
    def inverse_std(self) -> NDArrayF64:
        return 1 / np.sqrt(self.var_stat / self.frame_num - self.mean**2)


def measure(features: Path) -> Statistics:
    frames = np.load(features)["features"].astype(np.float64)
    return Statistics(frames.sum(axis=0), (frames**2).sum(axis=0), len(frames))


def adapt(model: Recognizer, statistics: Statistics) -> Recognizer:
    """A copy with WeNet's normalisation and token ids."""
    model = copy.deepcopy(model).eval()
    model.encoder.mean.copy_(torch.from_numpy(statistics.mean))
    model.encoder.inverse_std.copy_(torch.from_numpy(statistics.inverse_std))
    order = torch.arange(model.config.vocab_size)
    order[WENET_UNK], order[WENET_SOS_EOS] = UNK, SOS_EOS
    _reorder(model.ctc, order)
    for decoder in (model.left_to_right, model.right_to_left):
        _reorder(decoder.out, order)
        decoder.embedding.weight.data = decoder.embedding.weight.data[order]
    return model


def _reorder(layer: nn.Linear, order: Tensor) -> None:
    layer.weight.data = layer.weight.data[order]
    layer.bias.data = layer.bias.data[order]


class WenetEncoder(nn.Module):
    """speech [B, T, 80], speech_lengths [B] -> encoder_out, its lengths, CTC, the beam's best."""

    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.encoder, self.ctc = model.encoder, model.ctc

    def forward(
        self, speech: Tensor, speech_lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        encoder_out, lens = self.encoder(speech, speech_lengths.long())
        log_probs = self.ctc(encoder_out).log_softmax(dim=2)
        beam_log_probs, beam_ids = log_probs.topk(BEAM, dim=2)
        return encoder_out, lens.int(), log_probs, beam_log_probs, beam_ids


class WenetDecoder(nn.Module):
    """The index of the best of BEAM hypotheses, by both decoders and CTC."""

    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.left_to_right, self.right_to_left = model.left_to_right, model.right_to_left

    def forward(
        self,
        encoder_out: Tensor,
        encoder_out_lens: Tensor,
        hyps: Tensor,
        hyps_lens: Tensor,
        reversed_hyps: Tensor,
        ctc_score: Tensor,
    ) -> Tensor:
        """hyps: int64 [B, BEAM, U], <sos> tokens <eos>, padded with anything; lens: tokens + 1."""
        frames = torch.arange(encoder_out.shape[1])
        outside = frames.unsqueeze(0) >= encoder_out_lens.unsqueeze(1)
        dim = self.left_to_right.embedding.embedding_dim
        memory = encoder_out + 0.5 * sinusoids(encoder_out.shape[1], dim)
        memory = memory.repeat_interleave(BEAM, dim=0)
        bias = (MASKED * outside)[:, None, None].repeat_interleave(BEAM, dim=0)  # [N, 1, 1, T]
        lens = hyps_lens.flatten()
        scores = [
            _score(decoder, rows.flatten(0, 1).clamp(min=0), memory, bias, lens)
            for decoder, rows in (
                (self.left_to_right, hyps),
                (self.right_to_left, reversed_hyps),
            )
        ]
        attention = (1 - REVERSE_WEIGHT) * scores[0] + REVERSE_WEIGHT * scores[1]
        return (attention.view_as(ctc_score) + CTC_WEIGHT * ctc_score).argmax(dim=1)


def _score(
    decoder: AttentionDecoder, hyps: Tensor, memory: Tensor, bias: Tensor, lens: Tensor
) -> Tensor:
    """Log-probability of each row [N] of hyps [N, U], <eos> included."""
    y, following = hyps[:, :-1], hyps[:, 1:]
    x = decoder.embedding(y) + 0.5 * sinusoids(y.shape[1], decoder.embedding.embedding_dim)
    for layer in decoder.layers:
        x = _decoder_layer(layer, x, memory, bias)
    log_probs = decoder.out(decoder.norm(x)).log_softmax(dim=2)
    scores = log_probs.gather(2, following.unsqueeze(2)).squeeze(2)
    return (scores * (torch.arange(y.shape[1]) < lens.unsqueeze(1))).sum(dim=1)


def _decoder_layer(
    layer: nn.TransformerDecoderLayer, x: Tensor, memory: Tensor, bias: Tensor
) -> Tensor:
    """nn.TransformerDecoderLayer in operations whose trace leaves all lengths free."""
    tokens = torch.arange(x.shape[1])
    future = MASKED * (tokens.unsqueeze(1) < tokens)
    normed = layer.norm1(x)
    x = x + _attend(layer.self_attn, normed, normed, future)
    x = x + _attend(layer.multihead_attn, layer.norm2(x), memory, bias)
    return x + layer.linear2(F.relu(layer.linear1(layer.norm3(x))))


def _attend(
    attention: nn.MultiheadAttention, query: Tensor, memory: Tensor, bias: Tensor
) -> Tensor:
    """query: [N, U, D]; memory: [N, T, D]; bias: added to scores [N, H, U, T]."""
    inputs = (query, memory, memory)
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    heads = (attention.num_heads, attention.head_dim)
    q, k, v = (
        F.linear(x, weight, b).unflatten(2, heads).transpose(1, 2)
        for x, weight, b in zip(inputs, weights, biases, strict=True)
    )
    scores = q @ k.transpose(2, 3) / math.sqrt(attention.head_dim) + bias
    mixed = (scores.softmax(dim=3) @ v).transpose(1, 2).flatten(2)
    return torch.as_tensor(attention.out_proj(mixed))


def encoder_graph(model: Recognizer) -> Graph:
    speech = torch.randn(2, TRACE_FRAMES, NUM_MEL_BINS)
    lens = torch.tensor([TRACE_FRAMES, TRACE_FRAMES - 40], dtype=torch.int32)
    batch, outputs = {0: "B"}, {0: "B", 1: "T_OUT"}
    return Graph(
        WenetEncoder(model),
        {"speech": speech, "speech_lengths": lens},
        (
            "encoder_out",
            "encoder_out_lens",
            "ctc_log_probs",
            "beam_log_probs",
            "beam_log_probs_idx",
        ),
        {
            "speech": {0: "B", 1: "T"},
            "speech_lengths": batch,
            "encoder_out": outputs,
            "encoder_out_lens": batch,
            "ctc_log_probs": outputs,
            "beam_log_probs": outputs,
            "beam_log_probs_idx": outputs,
        },
        {},
    )


def decoder_graph(model: Recognizer) -> Graph:
    hyps = torch.randint(3, model.config.vocab_size, (2, BEAM, TRACE_TOKENS))
    batch, rows = {0: "B"}, {0: "B", 2: "T2"}
    return Graph(
        WenetDecoder(model),
        {
            "encoder_out": torch.randn(2, TRACE_FRAMES // 4, model.config.dim),
            "encoder_out_lens": torch.tensor([TRACE_FRAMES // 4, 30], dtype=torch.int32),
            "hyps_pad_sos_eos": hyps,
            "hyps_lens_sos": torch.full((2, BEAM), TRACE_TOKENS - 1, dtype=torch.int32),
            "r_hyps_pad_sos_eos": hyps,
            "ctc_score": torch.randn(2, BEAM),
        },
        ("best_index",),
        {
            "encoder_out": {0: "B", 1: "T"},
            "encoder_out_lens": batch,
            "hyps_pad_sos_eos": rows,
            "hyps_lens_sos": batch,
            "r_hyps_pad_sos_eos": rows,
            "ctc_score": batch,
            "best_index": batch,
        },
        {},
    )


def write_units(path: Path, bpe: Path) -> None:
    pieces = load_bpe(bpe)
    names = [pieces.id_to_piece(index) for index in range(pieces.get_piece_size())]
    names[:3] = ["<blank>", "<unk>", "<sos/eos>"]
    lines = [f"{name} {index}\n" for index, name in enumerate(names)]
    path.write_text("".join(lines), encoding="utf-8")


def train_config(model: Recognizer) -> dict[str, object]:
    """What WeNet's train.yaml says of such a model; "conformer" is its nearest name for ours."""
    config, encoder = model.config, model.config.encoder
    special = {"<blank>": 0, "<unk>": WENET_UNK, "<sos>": WENET_SOS_EOS, "<eos>": WENET_SOS_EOS}
    return {
        "input_dim": NUM_MEL_BINS,
        "output_dim": config.vocab_size,
        "cmvn": "global_cmvn",
        "cmvn_conf": {"cmvn_file": "global_cmvn", "is_json_cmvn": True},
        "tokenizer": "bpe",
        "tokenizer_conf": {
            "bpe_path": "bpe.model",
            "symbol_table_path": "units.txt",
            "split_with_space": False,
            "is_multilingual": False,
            "num_languages": 1,
            "special_tokens": special,
        },
        "model": "asr_model",
        "model_conf": {
            "ctc_weight": CTC_WEIGHT,
            "reverse_weight": REVERSE_WEIGHT,
            "length_normalized_loss": False,
            "lsm_weight": 0.1,
        },
        "ctc": "ctc",
        "ctc_conf": {"ctc_blank_id": 0},
        "encoder": "conformer",
        "encoder_conf": {
            "input_layer": "conv2d",
            "output_size": encoder.dim,
            "attention_heads": encoder.num_heads,
            "linear_units": encoder.feedforward_dim,
            "num_blocks": encoder.num_layers,
            "cnn_module_kernel": encoder.kernel_size,
            "causal": True,
            "use_dynamic_chunk": True,
        },
        "decoder": "bitransformer",
        "decoder_conf": {
            "attention_heads": encoder.num_heads,
            "linear_units": 2 * config.dim,
            "num_blocks": config.left_to_right_layers,
            "r_num_blocks": config.right_to_left_layers,
        },
        "dataset": "asr",
        "dataset_conf": {
            "fbank_conf": {
                "num_mel_bins": NUM_MEL_BINS,
                "frame_shift": 10,
                "frame_length": 25,
                "dither": 0.0,
            },
            "resample_conf": {"resample_rate": SAMPLE_RATE_HZ},
        },
    }


def exporter_config() -> dict[str, object]:
    """config.yaml, which export_onnx_gpu.py leaves beside its graphs."""
    return {
        "beam_size": BEAM,
        "reverse_weight": REVERSE_WEIGHT,
        "ctc_weight": CTC_WEIGHT,
        "fp16": False,
    }


def export(model: Recognizer, statistics: Statistics, bpe: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    adapted = adapt(model, statistics)
    write_graph(encoder_graph(adapted), folder / "encoder.onnx")
    write_graph(decoder_graph(adapted), folder / "decoder.onnx")
    write_units(folder / "units.txt", bpe)
    (folder / "global_cmvn").write_text(statistics.to_json() + "\n", encoding="utf-8")
    for name, values in (("train", train_config(model)), ("config", exporter_config())):
        text = yaml.safe_dump(values, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bpe", type=Path, help="bpe.model of the checkpoint")
    parser.add_argument("features", type=Path, help="of training.synthesize --fbank wenet")
    parser.add_argument("out", type=Path, help="the folder as WeNet's users publish it")
    args = parser.parse_args()
    model, _ = load(args.checkpoint)
    export(model, measure(args.features), args.bpe, args.out)


if __name__ == "__main__":
    main()
