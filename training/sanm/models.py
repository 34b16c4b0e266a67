"""Paraformer and SenseVoice of FunASR's classes at small sizes, and the file that holds one.

A configuration is what FunASR publishes as config.yaml; it builds the model and names the classes
that FunASR's exporter looks up.
"""

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import funasr.models.bicif_paraformer.model
import funasr.models.paraformer.model
import funasr.models.paraformer_streaming.model
import funasr.models.scama.encoder
import funasr.models.sense_voice.model  # noqa: F401  registers classes, as those above
import torch
from funasr.register import tables
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from training.features import (
    FRAME_LENGTH_MS,
    FRAME_SHIFT_MS,
    LFR_SHIFT,
    LFR_WINDOW,
    NUM_MEL_BINS,
    SAMPLE_RATE_HZ,
)
from training.sanm import online
from training.sanm.dataset import Batch, Cmvn
from training.sanm.tokens import EOS, SOS, Cuts, Pieces

INPUT_SIZE = LFR_WINDOW * NUM_MEL_BINS
DIM = 144
IGNORED = -1
AUTO_SHARE = 0.5  # of batches whose language query does not tell the language

Values: TypeAlias = "dict[str, str | int | float | bool | Values | None]"

ENCODER: Values = {
    "output_size": DIM,
    "attention_heads": 4,
    "linear_units": 3 * DIM,
    "num_blocks": 5,
    "dropout_rate": 0.0,
    "positional_dropout_rate": 0.0,
    "attention_dropout_rate": 0.0,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}
FRONTEND: Values = {
    "frontend": "WavFrontend",
    "frontend_conf": {
        "fs": SAMPLE_RATE_HZ,
        "window": "hamming",
        "n_mels": NUM_MEL_BINS,
        "frame_length": FRAME_LENGTH_MS,
        "frame_shift": FRAME_SHIFT_MS,
        "lfr_m": LFR_WINDOW,
        "lfr_n": LFR_SHIFT,
    },
}
SENSE_VOICE: Values = {
    "model": "SenseVoiceSmall",
    "model_conf": {
        "length_normalized_loss": True,
        "sos": SOS,
        "eos": EOS,
        "ignore_id": IGNORED,
        "lsm_weight": 0.1,
    },
    "encoder": "SenseVoiceEncoderSmall",
    "encoder_conf": ENCODER | {"tp_blocks": 1},
    "tokenizer": "SentencepiecesTokenizer",
    "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
    **FRONTEND,
}
PARAFORMER: Values = {
    "model": "Paraformer",
    "model_conf": {
        "ctc_weight": 0.1,
        "lsm_weight": 0.1,
        "length_normalized_loss": True,
        "predictor_weight": 3.0,  # wrong counts were half of the errors at 1.0
        "predictor_bias": 1,
        "sampling_ratio": 0.75,
        "sos": SOS,
        "eos": EOS,
        "ignore_id": IGNORED,
    },
    "encoder": "SANMEncoder",
    "encoder_conf": ENCODER,
    "decoder": "ParaformerSANMDecoder",
    "decoder_conf": {
        "attention_heads": 4,
        "linear_units": 2 * DIM,
        "num_blocks": 2,
        "dropout_rate": 0.1,
        "positional_dropout_rate": 0.1,
        "self_attention_dropout_rate": 0.1,
        "src_attention_dropout_rate": 0.1,
        "att_layer_num": 2,
        "kernel_size": 11,
        "sanm_shfit": 0,
    },
    "predictor": "CifPredictorV2",
    "predictor_conf": {
        "idim": DIM,
        "threshold": 1.0,
        "l_order": 1,
        "r_order": 1,
        "tail_threshold": 0.45,
    },
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    **FRONTEND,
}
PARAFORMER_ONLINE: Values = PARAFORMER | {
    "model": "ParaformerStreaming",
    "model_conf": PARAFORMER["model_conf"] | {"ctc_weight": 0.0, "predictor_bias": 0},
    "encoder": "SANMEncoderChunkOpt",
    "encoder_conf": ENCODER
    | {
        "input_layer": "pe_online",
        "pos_enc_class": "StreamSinusoidalPositionEncoder",
        "chunk_size": [20],
        "stride": [10],
        "pad_left": [5],
        "encoder_att_look_back_factor": [0],
        "decoder_att_look_back_factor": [0],
    },
    "decoder_conf": PARAFORMER["decoder_conf"] | {"sanm_shfit": 5},
}
CONFIGS = {
    "sense-voice": SENSE_VOICE,
    "paraformer": PARAFORMER,
    "paraformer-online": PARAFORMER_ONLINE,
}
WHOLE_SHARE = 0.25  # of the online Paraformer's batches


def build(config: Values, vocab_size: int) -> nn.Module:
    """The arguments that FunASR's own loader passes."""
    parts = {name: value for name, value in config.items() if name != "model_conf"}
    model_class = tables.model_classes.get(config["model"])
    model: nn.Module = model_class(
        **parts, **config["model_conf"], vocab_size=vocab_size, input_size=INPUT_SIZE
    )
    return model


class Objective(Protocol):
    """What training needs of a model: its losses in nats, "ctc" per token among them."""

    model: nn.Module
    silent_frames: int  # behind every utterance, at the least

    def losses(self, batch: Batch, rng: random.Random) -> dict[str, Tensor]: ...


class SenseVoice:
    """Tags by cross entropy, tokens by CTC, as FunASR's class computes them."""

    silent_frames = 0

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self.model = build(SENSE_VOICE, len(pieces.tokens))
        names = self.model.lid_dict
        self.language_queries = {
            pieces.id(f"<|{name}|>"): names[name] for name in ("zh", "en", "nospeech")
        }
        queries = self.model.textnorm_dict
        self.model.textnorm_int_dict = {
            pieces.id(f"<|{name}|>"): query for name, query in queries.items()
        }

    def losses(self, batch: Batch, rng: random.Random) -> dict[str, Tensor]:
        self.model.lid_int_dict = {} if rng.random() < AUTO_SHARE else self.language_queries
        targets = []
        for text in batch.texts:
            with_itn = rng.random() < 0.5
            targets.append(self.pieces.tags(text, with_itn) + self.pieces.encode(text, with_itn))
        text, lens = padded(targets)
        loss, stats, _ = self.model(batch.speech, batch.speech_lens.clone(), text, lens)
        num_tokens = (lens - 4).sum().clamp(min=1)
        return {"loss": loss, "ctc": stats["loss_ctc"] * len(lens) / num_tokens}


class Paraformer:
    """Cross entropy of the decoder, the predictor's count, and CTC to steady the encoder."""

    silent_frames = 0

    def __init__(self, cuts: Cuts) -> None:
        self.cuts = cuts
        self.model = build(PARAFORMER, len(cuts.tokens))

    def losses(self, batch: Batch, rng: random.Random) -> dict[str, Tensor]:
        del rng
        # FunASR's CIF fails if the last row fires nothing, as the weights of a lone </s> may, whose
        # sum is rounded below 1: the rows without text come first.
        order = sorted(range(len(batch.texts)), key=lambda row: bool(batch.texts[row]))
        text, lens = padded([self.cuts.encode(batch.texts[row]) for row in order])
        loss, stats, _ = self.model(batch.speech[order], batch.speech_lens[order], text, lens)
        ctc = stats["loss_ctc"] * len(lens) / lens.sum().clamp(min=1)
        return {"loss": loss, "ctc": ctc, "att": stats["loss_att"], "count": stats["loss_pre"]}


class OnlineParaformer:
    """Cross entropy of the decoder and the predictor's count, over windows; no </s> is counted."""

    silent_frames = 60  # a stream ends in silence, as it is served

    def __init__(self, cuts: Cuts) -> None:
        self.cuts = cuts
        self.model = build(PARAFORMER_ONLINE, len(cuts.tokens))

    def losses(self, batch: Batch, rng: random.Random) -> dict[str, Tensor]:
        is_whole = rng.random() < WHOLE_SHARE
        windows = online.encode(self.model.encoder, batch.speech, is_whole)
        weights = online.weigh_middles(self.model.predictor, windows)
        text, lens = padded([self.cuts.encode(text) for text in batch.texts])
        counted = weights.sum(1)
        scaled = weights * (lens / counted.clamp(min=1e-3)).unsqueeze(1)
        tokens, fired = online.integrate(windows.frames, scaled, int(lens.max()))
        mask = None if is_whole else online.attention(fired, windows.encoded.shape[1])
        loss = self._decode(windows.memory, tokens, text, lens, mask)
        miscounted = (counted - lens).abs().sum() / lens.sum()
        weight = PARAFORMER_ONLINE["model_conf"]["predictor_weight"]
        total = loss + weight * miscounted
        return {"loss": total, "ctc": torch.zeros(()), "att": loss, "count": miscounted}

    def _decode(
        self, memory: Tensor, tokens: Tensor, text: Tensor, lens: Tensor, mask: Tensor | None
    ) -> Tensor:
        memory_lens = torch.full((len(memory),), memory.shape[1])
        semantic, _ = self.model.sampler(memory, memory_lens, text, lens, tokens, mask)
        decoded, *_ = self.model.decoder(memory, memory_lens, semantic, lens, mask)
        loss: Tensor = self.model.criterion_att(decoded, text)
        return loss


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """int64 [N, U] padded with IGNORED, and lengths [N]."""
    tensors = [torch.tensor(row, dtype=torch.int64) for row in rows]
    lens = torch.tensor([len(row) for row in rows])
    return pad_sequence(tensors, batch_first=True, padding_value=IGNORED), lens


def objective(kind: str, bpe: Path) -> Objective:
    pieces = Pieces.load(bpe)
    if kind == "sense-voice":
        return SenseVoice(pieces)
    cuts = Cuts(pieces.bpe)
    return Paraformer(cuts) if kind == "paraformer" else OnlineParaformer(cuts)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    kind: str
    cmvn: Cmvn
    weights: dict[str, Tensor]
    minutes: float


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Written beside the target and renamed, so that a reader never meets half a file."""
    partial = path.with_suffix(".partial")
    facts = {
        "kind": checkpoint.kind,
        "shift": torch.from_numpy(checkpoint.cmvn.shift),
        "scale": torch.from_numpy(checkpoint.cmvn.scale),
        "weights": checkpoint.weights,
        "minutes": checkpoint.minutes,
    }
    torch.save(facts, partial)
    partial.rename(path)


def load(path: Path) -> Checkpoint:
    facts = torch.load(path, map_location="cpu", weights_only=True)
    cmvn = Cmvn(facts["shift"].numpy(), facts["scale"].numpy())
    return Checkpoint(facts["kind"], cmvn, facts["weights"], facts["minutes"])
