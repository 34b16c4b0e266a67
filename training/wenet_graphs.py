"""WeNet's two graphs, as export_onnx_gpu.py writes them: the encoder, the decoders that rescore."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.encoder import MASKED
from training.export import Graph
from training.features import NUM_MEL_BINS
from training.heads import AttentionDecoder, sinusoids
from training.model import Recognizer

BEAM = 10
CTC_WEIGHT, REVERSE_WEIGHT = 0.5, 0.3  # as WeNet's u2++ recipes
TRACE_FRAMES, TRACE_TOKENS = 200, 6


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
