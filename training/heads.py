"""What reads the encoder: a transducer (decoder, joiner), CTC, and two attention decoders."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SOS_EOS = 1
MAX_POSITIONS = 2048  # encoder frames, 82 s


class Decoder(nn.Module):
    """icefall's stateless predictor: a grouped convolution over context_size embeddings."""

    def __init__(self, vocab_size: int, dim: int, context_size: int) -> None:
        super().__init__()
        self.context_size = context_size
        self.vocab_size = vocab_size
        self.embedding = nn.Embedding(vocab_size, dim)
        self.conv = nn.Conv1d(dim, dim, context_size, groups=dim // 4, bias=False)

    def forward(self, y: Tensor) -> Tensor:
        """y: int64 [N, U]; -1 is "before the utterance". Returns [N, U - context_size + 1, dim]."""
        embedding = self.embedding(y.clamp(min=0)) * (y >= 0).unsqueeze(2)
        return F.relu(self.conv(embedding.transpose(1, 2))).transpose(1, 2)


class Joiner(nn.Module):
    def __init__(self, joiner_dim: int, vocab_size: int) -> None:
        super().__init__()
        self.out = nn.Linear(joiner_dim, vocab_size)

    def forward(self, encoder_out: Tensor, decoder_out: Tensor) -> Tensor:
        """Both projected to joiner_dim, broadcastable. Returns raw logits [..., vocab_size]."""
        return torch.as_tensor(self.out(torch.tanh(encoder_out + decoder_out)))


def sinusoids(length: int, dim: int) -> Tensor:
    """[length, dim], sines on even columns and cosines on odd ones."""
    frequency = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    angle = torch.arange(length).unsqueeze(1) * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)


class AttentionDecoder(nn.Module):
    """A transformer over tokens and encoder; reversed tokens make it read back."""

    positions: Tensor

    def __init__(self, vocab_size: int, dim: int, num_heads: int, num_layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, dim)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                dim, num_heads, 2 * dim, dropout=0.1, batch_first=True, norm_first=True
            )
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, vocab_size)
        self.register_buffer("positions", sinusoids(MAX_POSITIONS, dim), persistent=False)

    def forward(self, y: Tensor, encoder_out: Tensor, encoder_out_lens: Tensor) -> Tensor:
        """y: int64 [N, U], <sos/eos> first; encoder_out: [N, T', dim]. Returns logits [N, U, V]."""
        frames = torch.arange(encoder_out.shape[1])
        padding = frames.unsqueeze(0) >= encoder_out_lens.unsqueeze(1)
        tokens = torch.arange(y.shape[1])
        future = tokens.unsqueeze(1) < tokens  # [U, U]; row t may not see what comes after it
        memory = encoder_out + 0.5 * self.positions[: encoder_out.shape[1]]
        x = self.embedding(y) + 0.5 * self.positions[: y.shape[1]]
        for layer in self.layers:
            x = layer(x, memory, tgt_mask=future, memory_key_padding_mask=padding)
        return torch.as_tensor(self.out(self.norm(x)))
