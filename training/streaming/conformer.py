"""icefall's streaming conformer (pruned_transducer_stateless5): two caches and a frame count.

Its window is two encoder frames longer than the chunk: the first and the last are cut off, because
icefall's convolutions are padded there. Ours are not, and are cut all the same, so that windows are
the ones that users' exports ask for. The first 40 ms of a stream are therefore never an output.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.encoder import MASKED, Block, SelfAttention
from training.export import AUTHOR, Graph
from training.features import NUM_MEL_BINS
from training.model import Recognizer
from training.streaming.chunking import OVERHANG, SUBSAMPLING, Chunking

CUT = 1  # encoder frames at each end of the window
PAD_LENGTH = 2 * CUT * SUBSAMPLING + OVERHANG


class ConformerEncoder(nn.Module):
    """One chunk; the caller counts the encoder frames done and gives them as processed_lens."""

    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.encoder, self.encoder_proj = model.encoder, model.encoder_proj

    def forward(
        self, x: Tensor, cached_attn: Tensor, cached_conv: Tensor, processed_lens: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x: [N, T, 80]; cached_attn: [layers, L, N, D]; cached_conv: [layers, K - 1, N, D].

        processed_lens: int64 [N]. Returns encoder_out [N, chunk, joiner_dim] and the next caches.
        """
        x = self.encoder.subsampling(self.encoder.normalize(x))[:, CUT:-CUT]
        bias = _history_bias(processed_lens, cached_attn.shape[1], x.shape[1])
        attn, conv = [], []
        for layer, block in enumerate(self.encoder.blocks):
            seen = cached_attn[layer].transpose(0, 1)  # [L, N, D] -> [N, L, D]
            gated = cached_conv[layer].permute(1, 2, 0)  # [K - 1, N, D] -> [N, D, K - 1]
            x, seen, gated = _step(block, x, bias, (seen, gated))
            attn.append(seen.transpose(0, 1))
            conv.append(gated.permute(2, 0, 1))
        return self.encoder_proj(x), torch.stack(attn), torch.stack(conv)


def _history_bias(done: Tensor, left_context: int, num_frames: int) -> Tensor:
    """[N, 1, 1, L + T]: forbids what the cache holds from before the stream."""
    columns = torch.arange(left_context + num_frames)
    allowed = columns.unsqueeze(0) >= (left_context - done).unsqueeze(1)
    return torch.where(allowed, 0.0, MASKED)[:, None, None]


def _step(
    block: Block, x: Tensor, bias: Tensor, caches: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Block.forward with what attention reads as its cache, not keys and values."""
    seen, gated = caches
    x = x + 0.5 * block.before(x)
    frames = torch.cat([seen, x], dim=1)
    x = x + _attend(block.attention, frames, x, bias)
    convolved, gated = block.convolution(x, gated)
    x = x + convolved
    x = x + 0.5 * block.after(x)
    return block.norm(x), frames[:, x.shape[1] :], gated


def _attend(attention: SelfAttention, frames: Tensor, x: Tensor, bias: Tensor) -> Tensor:
    """frames: [N, L + T, D], x the last T; bias: [N, 1, 1, L + T]. Returns [N, T, D].

    Queries and keys with values are projected apart, so that no weight is in the file twice.
    """
    dim = x.shape[2]
    asking, frames = attention.norm(x), attention.norm(frames)
    weights = attention.qkv.weight.split([dim, 2 * dim])
    biases = attention.qkv.bias.split([dim, 2 * dim])
    query = F.linear(asking, weights[0], biases[0])
    key, value = F.linear(frames, weights[1], biases[1]).chunk(2, dim=2)
    query, key, value = (
        part.unflatten(2, (attention.num_heads, -1)).transpose(1, 2) for part in (query, key, value)
    )
    scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3]) + bias
    mixed = (scores.softmax(dim=3) @ value).transpose(1, 2).flatten(2)  # [N, T, D]
    return torch.as_tensor(attention.out(mixed))


def encoder_graph(model: Recognizer, chunking: Chunking) -> Graph:
    config = model.config.encoder
    window = chunking.shift + PAD_LENGTH
    batch, cache = {0: "N"}, {2: "N"}
    return Graph(
        ConformerEncoder(model),
        {
            "x": torch.randn(2, window, NUM_MEL_BINS),
            "cached_attn": torch.zeros(config.num_layers, chunking.left_context, 2, config.dim),
            "cached_conv": torch.zeros(config.num_layers, config.kernel_size - 1, 2, config.dim),
            "processed_lens": torch.tensor([0, chunking.chunk]),
        },
        ("encoder_out", "new_cached_attn", "new_cached_conv"),
        {
            "x": batch,
            "cached_attn": cache,
            "cached_conv": cache,
            "processed_lens": batch,
            "encoder_out": batch,
            "new_cached_attn": cache,
            "new_cached_conv": cache,
        },
        {
            "model_type": "conformer",
            "version": "1",
            "model_author": AUTHOR,
            "comment": "stateless5",
            "pad_length": str(PAD_LENGTH),
            "decode_chunk_len": str(chunking.shift),
            "encoder_dim": str(config.dim),
            "num_encoder_layers": str(config.num_layers),
            "cnn_module_kernel": str(config.kernel_size),
            "left_context": str(chunking.left_context),
            "right_context": "0",
            "chunk_size": str(chunking.chunk),
            "T": str(window),
        },
    )
