"""A small conformer that runs on whole utterances and chunk by chunk with the same weights.

Its convolutions are causal and it has no positions: the convolutions tell frames apart, so nothing
caps the length, and key, value and convolution caches are all that a stream carries.
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MASKED = -1e4  # added to forbidden attention scores; stays finite in float16


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    num_mel_bins: int = 80
    dim: int = 144
    num_layers: int = 5
    num_heads: int = 4
    feedforward_dim: int = 288
    kernel_size: int = 11
    subsampling_channels: int = 16
    dropout: float = 0.1


def subsampled_length(num_frames: int) -> int:
    """Encoder frames (40 ms) for feature frames (10 ms): two unpadded stride-2 convolutions."""
    return ((num_frames - 1) // 2 - 1) // 2


def subsampled_lens(x_lens: Tensor) -> Tensor:
    """subsampled_length for a whole batch, int64 [N] -> int64 [N], never below 0."""
    half = torch.div(x_lens - 1, 2, rounding_mode="floor")
    return torch.div(half - 1, 2, rounding_mode="floor").clamp(min=0)


class Subsampling(nn.Module):
    """Features [N, T, F] -> [N, T', dim]; frame t reads feature frames 4t to 4t + 6."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        channels = config.subsampling_channels
        bins_left = subsampled_length(config.num_mel_bins)
        self.conv1 = nn.Conv2d(1, channels, 3, stride=2)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=2)
        self.out = nn.Linear(channels * bins_left, config.dim)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.conv1(x.unsqueeze(1)))  # [N, C, T, F]
        x = F.silu(self.conv2(x))
        x = x.transpose(1, 2).flatten(2)  # [N, C, T', F'] -> [N, T', C * F']
        return torch.as_tensor(self.norm(self.out(x)))


class FeedForward(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim)
        self.up = nn.Linear(config.dim, config.feedforward_dim)
        self.down = nn.Linear(config.feedforward_dim, config.dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.dropout(self.down(F.silu(self.up(self.norm(x))))))


class SelfAttention(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.norm = nn.LayerNorm(config.dim)
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.out = nn.Linear(config.dim, config.dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, bias: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """x: [N, T, D]; bias: [N or 1, 1, T, L + T]; cache: [N, L, 2 D].

        The cache holds keys and values of the L frames before x. Returns the output [N, T, D] and
        all keys and values [N, L + T, 2 D].
        """
        query, key_value = self.qkv(self.norm(x)).split([x.shape[2], 2 * x.shape[2]], dim=2)
        key_value = torch.cat([cache, key_value], dim=1)
        key, value = key_value.chunk(2, dim=2)
        query, key, value = self._heads(query), self._heads(key), self._heads(value)
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3]) + bias
        mixed = (scores.softmax(dim=3) @ value).transpose(1, 2).flatten(2)  # [N, T, D]
        return self.dropout(self.out(mixed)), key_value

    def _heads(self, x: Tensor) -> Tensor:
        """[N, T, D] -> [N, H, T, D / H]."""
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


class CausalConvolution(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        dim = config.dim
        self.norm = nn.LayerNorm(dim)
        self.gated = nn.Linear(dim, 2 * dim)
        self.depthwise = nn.Conv1d(dim, dim, config.kernel_size, groups=dim)
        self.depthwise_norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """x: [N, T, D]; cache: [N, D, K - 1], the gated frames before x.

        Returns [N, T, D] and the next cache.
        """
        x = F.glu(self.gated(self.norm(x)), dim=2).transpose(1, 2)  # [N, D, T]
        x = torch.cat([cache, x], dim=2)
        next_cache = x[:, :, x.shape[2] - cache.shape[2] :]
        x = self.depthwise_norm(self.depthwise(x).transpose(1, 2))  # [N, T, D]
        return self.dropout(self.out(F.silu(x))), next_cache


class Block(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.before = FeedForward(config)
        self.attention = SelfAttention(config)
        self.convolution = CausalConvolution(config)
        self.after = FeedForward(config)
        self.norm = nn.LayerNorm(config.dim)

    def forward(
        self, x: Tensor, bias: Tensor, attention_cache: Tensor, convolution_cache: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = x + 0.5 * self.before(x)
        attended, key_value = self.attention(x, bias, attention_cache)
        x = x + attended
        convolved, next_convolution = self.convolution(x, convolution_cache)
        x = x + convolved
        x = x + 0.5 * self.after(x)
        return self.norm(x), key_value, next_convolution


@dataclasses.dataclass(frozen=True)
class StreamState:
    """attention: [layers, N, L, 2 D]; convolution: [layers, N, D, K - 1]; done: int64 [N]."""

    attention: Tensor
    convolution: Tensor
    done: Tensor


class Encoder(nn.Module):
    mean: Tensor
    inverse_std: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.num_mel_bins))
        self.register_buffer("inverse_std", torch.ones(config.num_mel_bins))
        self.subsampling = Subsampling(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.dropout = nn.Dropout(config.dropout)

    def normalize(self, x: Tensor) -> Tensor:
        """Global normalisation, inside the graph so that callers feed raw log-mel energies."""
        return (x - self.mean) * self.inverse_std

    def forward(
        self, x: Tensor, x_lens: Tensor, chunk: int = 0, left_context: int = 0
    ) -> tuple[Tensor, Tensor]:
        """x: raw features [N, T, F], T >= 7; x_lens: int64 [N]. Returns [N, T', D] and its lengths.

        chunk: encoder frames per chunk, 0 for the whole utterance; left_context: frames before the
        chunk that it may see. The mask spans x.shape[1], so T may exceed max(x_lens).
        """
        return self.forward_normalized(self.normalize(x), x_lens, chunk, left_context)

    def forward_normalized(
        self, x: Tensor, x_lens: Tensor, chunk: int = 0, left_context: int = 0
    ) -> tuple[Tensor, Tensor]:
        """As forward, for features normalised already (training masks bands with the mean, 0)."""
        x = self.dropout(self.subsampling(x))
        out_lens = subsampled_lens(x_lens)
        frames = torch.arange(x.shape[1])
        allowed = (frames.unsqueeze(0) < out_lens.unsqueeze(1))[:, None, None]  # [N, 1, 1, T']
        if chunk:
            allowed = allowed & _chunk_mask(frames, chunk, left_context)
        bias = torch.where(allowed, 0.0, MASKED)
        attention = x[:, :0].repeat(1, 1, 2)
        convolution = torch.zeros_like(x[:, :1]).transpose(1, 2)
        convolution = convolution.repeat(1, 1, self.config.kernel_size - 1)
        for block in self.blocks:
            x, _, _ = block(x, bias, attention, convolution)
        return x, out_lens

    def initial_state(self, batch_size: int, left_context: int) -> StreamState:
        config = self.config
        shape = (config.num_layers, batch_size)
        return StreamState(
            attention=torch.zeros(*shape, left_context, 2 * config.dim),
            convolution=torch.zeros(*shape, config.dim, config.kernel_size - 1),
            done=torch.zeros(batch_size, dtype=torch.int64),
        )

    def forward_chunk(self, x: Tensor, state: StreamState) -> tuple[Tensor, StreamState]:
        """x: raw features [N, 4 chunk + 3, F]; the next call starts 4 chunk frames on.

        Returns [N, chunk, D] and the state for the next call.
        """
        x = self.subsampling(self.normalize(x))
        left_context = state.attention.shape[2]
        columns = torch.arange(left_context + x.shape[1])
        allowed = columns.unsqueeze(0) >= (left_context - state.done).unsqueeze(1)
        bias = torch.where(allowed, 0.0, MASKED)[:, None, None]  # [N, 1, 1, L + T']
        attention, convolution = [], []
        for layer, block in enumerate(self.blocks):
            x, keys, conv = block(x, bias, state.attention[layer], state.convolution[layer])
            attention.append(keys[:, keys.shape[1] - left_context :])
            convolution.append(conv)
        done = state.done + x.shape[1]
        return x, StreamState(torch.stack(attention), torch.stack(convolution), done)


def _chunk_mask(frames: Tensor, chunk: int, left_context: int) -> Tensor:
    """Bool [1, 1, T', T']: row t may see its own chunk and left_context frames before it."""
    start = torch.div(frames, chunk, rounding_mode="floor") * chunk
    column = frames.unsqueeze(0)
    not_after = column < (start + chunk).unsqueeze(1)
    not_before = column >= (start - left_context).unsqueeze(1)
    return (not_after & not_before)[None, None]
