"""The recogniser: one encoder, four heads, and the file that holds them."""

import dataclasses
from pathlib import Path

import torch
from torch import nn

from training.encoder import Encoder, EncoderConfig
from training.heads import AttentionDecoder, Decoder, Joiner


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    vocab_size: int
    dim: int = 144
    num_layers: int = 5
    joiner_dim: int = 128
    context_size: int = 2
    left_to_right_layers: int = 2
    right_to_left_layers: int = 1
    dropout: float = 0.1

    @property
    def encoder(self) -> EncoderConfig:
        return EncoderConfig(
            dim=self.dim,
            num_layers=self.num_layers,
            feedforward_dim=2 * self.dim,
            dropout=self.dropout,
        )


class Recognizer(nn.Module):
    """Holds the parts; the losses, the decoding and the exports call them one by one."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        vocab_size, dim, joiner_dim = config.vocab_size, config.dim, config.joiner_dim
        num_heads = config.encoder.num_heads
        self.encoder = Encoder(config.encoder)
        self.ctc = nn.Linear(dim, vocab_size)
        self.decoder = Decoder(vocab_size, joiner_dim, config.context_size)
        self.encoder_proj = nn.Linear(dim, joiner_dim)
        self.decoder_proj = nn.Linear(joiner_dim, joiner_dim)
        self.joiner = Joiner(joiner_dim, vocab_size)
        self.left_to_right = AttentionDecoder(
            vocab_size, dim, num_heads, config.left_to_right_layers
        )
        self.right_to_left = AttentionDecoder(
            vocab_size, dim, num_heads, config.right_to_left_layers
        )


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far training has come: whole passes over the data, optimiser steps, minutes."""

    epoch: int = 0
    step: int = 0
    minutes: float = 0.0


def save(path: Path, model: Recognizer, progress: Progress) -> None:
    """Written beside the target and renamed, so that a reader never meets half a file."""
    partial = path.with_suffix(".partial")
    facts = {
        "model": model.state_dict(),
        "config": dataclasses.asdict(model.config),
        "progress": dataclasses.asdict(progress),
    }
    torch.save(facts, partial)
    partial.rename(path)


def load(path: Path) -> tuple[Recognizer, Progress]:
    facts = torch.load(path, map_location="cpu", weights_only=True)
    model = Recognizer(ModelConfig(**facts["config"]))
    model.load_state_dict(facts["model"])
    return model.eval(), Progress(**facts["progress"])
