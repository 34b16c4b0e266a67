"""WeNet's streaming encoder, as export_onnx_gpu.py --streaming writes it, and its config.yaml.

Keys and values are cached side by side for each head, and cache_mask says which of them are real.
Unlike icefall's, the window says in chunk_lens how much of it is audio.
"""

import torch
from torch import Tensor, nn

from training.encoder import MASKED
from training.export import Graph
from training.features import NUM_MEL_BINS
from training.model import Recognizer
from training.streaming.chunking import OVERHANG, SUBSAMPLING, Chunking
from training.wenet_graphs import BEAM

OPSET = 14  # as WeNet exports its streaming encoder
CONTEXT = SUBSAMPLING + OVERHANG  # feature frames under one encoder frame


class WenetStreamingEncoder(nn.Module):
    """One chunk: CTC's best BEAM tokens of each frame, the frames, and the next caches."""

    def __init__(self, model: Recognizer) -> None:
        super().__init__()
        self.encoder, self.ctc = model.encoder, model.ctc

    def forward(
        self,
        chunk_xs: Tensor,
        chunk_lens: Tensor,
        offset: Tensor,
        att_cache: Tensor,
        cnn_cache: Tensor,
        cache_mask: Tensor,
    ) -> tuple[Tensor, ...]:
        """chunk_xs: [B, W, 80]; chunk_lens: int32 [B]; offset: int64 [B, 1], encoder frames.

        att_cache: [B, layers, H, C, 2 D / H]; cnn_cache: [B, layers, D, K - 1];
        cache_mask: [B, 1, C], 0 where the cache holds nothing.
        """
        x = self.encoder.subsampling(self.encoder.normalize(chunk_xs))
        chunk = x.shape[1]
        mask = torch.cat([cache_mask, _chunk_mask(chunk_lens, chunk).to(x.dtype)], dim=2)
        bias = torch.where(mask == 0, MASKED, 0.0).unsqueeze(1)  # [B, 1, 1, C + T]
        attention, convolution = [], []
        for layer, block in enumerate(self.encoder.blocks):
            cache = _keys_values(att_cache[:, layer])
            x, cache, gated = block(x, bias, cache, cnn_cache[:, layer])
            attention.append(_by_head(cache[:, chunk:], att_cache.shape[2]))
            convolution.append(gated)
        log_probs, log_probs_idx = self.ctc(x).log_softmax(dim=2).topk(BEAM, dim=2)
        return (
            log_probs,
            log_probs_idx,
            x,
            torch.div(chunk_lens, SUBSAMPLING, rounding_mode="floor"),  # WeNet's, one too many
            offset + chunk,
            torch.stack(attention, dim=1),
            torch.stack(convolution, dim=1),
            mask[:, :, chunk:],
        )


def _chunk_mask(chunk_lens: Tensor, chunk: int) -> Tensor:
    """Bool [B, 1, chunk]: encoder frames whose CONTEXT lies wholly in the audio."""
    last = SUBSAMPLING * torch.arange(chunk) + CONTEXT - 1
    return (last.unsqueeze(0) < chunk_lens.unsqueeze(1)).unsqueeze(1)


def _keys_values(cache: Tensor) -> Tensor:
    """[B, H, C, 2 D / H] -> [B, C, 2 D], all keys before all values."""
    keys, values = cache.transpose(1, 2).chunk(2, dim=3)
    return torch.cat([keys.flatten(2), values.flatten(2)], dim=2)


def _by_head(cache: Tensor, num_heads: int) -> Tensor:
    """[B, C, 2 D] -> [B, H, C, 2 D / H]."""
    keys, values = (half.unflatten(2, (num_heads, -1)) for half in cache.chunk(2, dim=2))
    return torch.cat([keys, values], dim=3).transpose(1, 2)


def left_chunks(chunking: Chunking) -> int:
    """What WeNet calls num_decoding_left_chunks."""
    if chunking.left_context % chunking.chunk:
        raise ValueError(
            f"left context {chunking.left_context} is no multiple of chunk {chunking.chunk}; "
            "WeNet counts it in whole chunks"
        )
    return chunking.left_context // chunking.chunk


def encoder_graph(model: Recognizer, chunking: Chunking) -> Graph:
    config = model.config.encoder
    layers, heads, left = config.num_layers, config.num_heads, chunking.left_context
    inputs = {
        "chunk_xs": torch.randn(2, chunking.window, NUM_MEL_BINS),
        "chunk_lens": torch.tensor([chunking.window, 30], dtype=torch.int32),
        "offset": torch.tensor([[0], [chunking.chunk]]),
        "att_cache": torch.zeros(2, layers, heads, left, 2 * config.dim // heads),
        "cnn_cache": torch.zeros(2, layers, config.dim, config.kernel_size - 1),
        "cache_mask": torch.zeros(2, 1, left),
    }
    outputs = (
        "log_probs",
        "log_probs_idx",
        "chunk_out",
        "chunk_out_lens",
        "r_offset",
        "r_att_cache",
        "r_cnn_cache",
        "r_cache_mask",
    )
    axes = {name: {0: "B"} for name in (*inputs, *outputs)}
    return Graph(WenetStreamingEncoder(model), inputs, outputs, axes, {})


def exporter_config(model: Recognizer, chunking: Chunking) -> dict[str, object]:
    """config.yaml, which export_onnx_gpu.py --streaming leaves beside its graphs."""
    return {
        "subsampling_rate": SUBSAMPLING,
        "context": CONTEXT,
        "decoding_chunk_size": chunking.chunk,
        "num_decoding_left_chunks": left_chunks(chunking),
        "beam_size": BEAM,
        "fp16": False,
        "feat_size": NUM_MEL_BINS,
        "decoding_window": chunking.window,
        "cnn_module_kernel_cache": model.config.encoder.kernel_size - 1,
        "return_ctc_logprobs": False,
    }
