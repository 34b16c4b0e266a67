"""Train within a budget of time: CTC on short speech, CTC on all, then all heads.

CTC first, because the transducer learns token statistics before sounds and would drown the
encoder. Short speech in small chunks first, because an encoder that sees everything learns to emit
all tokens at the first frame, and stays there; one that sees its neighbourhood has to align.
"""

import argparse
import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training import trainer
from training.dataset import (
    Batch,
    Example,
    collate,
    glue,
    read_examples,
    set_normalization,
)
from training.losses import attention_loss, ctc_loss, reverse_tokens, transducer_loss
from training.model import ModelConfig, Progress, Recognizer, load, save
from training.tokens import load_bpe

WARM_UP_STEPS = 100
WHOLE = (0, 0)
LOCAL = (4, 8)
CHUNKS = ((8, 64), (16, 64), (16, 64), (16, 64), (32, 64))
GLUED_SHARE = 0.15
FORGOTTEN_SHARE = 0.2  # of the transducer's history, or it learns which words never meet
WEIGHTS = {"ctc": 0.5, "transducer": 0.5, "forward": 0.5, "backward": 0.5}
ATTENTION_TURNS = ("forward", "none", "backward", "none")


@dataclasses.dataclass(frozen=True)
class Stage(trainer.Stage):
    """contexts: chunk and left context in encoder frames (40 ms), one drawn per batch."""

    max_tokens: int
    contexts: tuple[tuple[int, int], ...]
    joint: bool


STAGES = (
    Stage(
        "CTC on short speech",
        frames_per_batch=2400,
        perturbed=False,
        ends_below=2.0,
        ends_by=0.2,
        max_tokens=5,
        contexts=(LOCAL,),
        joint=False,
    ),
    Stage(
        "CTC",
        frames_per_batch=4000,
        perturbed=True,
        ends_below=1.0,
        ends_by=0.5,
        max_tokens=1000,
        contexts=CHUNKS,
        joint=False,
    ),
    Stage(
        "all heads",
        frames_per_batch=4000,
        perturbed=True,
        ends_below=0.0,
        ends_by=1.1,
        max_tokens=1000,
        contexts=(*CHUNKS, *(WHOLE,) * 5),
        joint=True,
    ),
)


def all_losses(
    model: Recognizer, batch: Batch, context: tuple[int, int], heads: Sequence[str]
) -> dict[str, Tensor]:
    """Each head's loss per token; heads of ctc, transducer, forward, backward."""
    memory = model.encoder.forward_normalized(batch.x, batch.x_lens, *context)
    encoder_out, out_lens = memory
    num_tokens = batch.token_lens.sum().clamp(min=1)
    log_probs = model.ctc(encoder_out).log_softmax(dim=2)
    losses = {"ctc": ctc_loss(log_probs, batch.tokens, out_lens, batch.token_lens) / num_tokens}
    if "transducer" in heads:
        losses["transducer"] = _transducer(model, batch, memory) / num_tokens
    if "forward" in heads:
        losses["forward"] = attention_loss(
            model.left_to_right, batch.tokens, batch.token_lens, memory
        )
    if "backward" in heads:
        backwards = reverse_tokens(batch.tokens, batch.token_lens)
        losses["backward"] = attention_loss(
            model.right_to_left, backwards, batch.token_lens, memory
        )
    return losses


def _transducer(model: Recognizer, batch: Batch, memory: tuple[Tensor, Tensor]) -> Tensor:
    encoder_out, out_lens = memory
    history = F.pad(F.pad(batch.tokens, (1, 0), value=0), (1, 0), value=-1)  # [-1, 0] comes first
    history = history.masked_fill(torch.rand(history.shape) < FORGOTTEN_SHARE, -1)
    decoder_out = model.decoder_proj(model.decoder(history)).unsqueeze(1)  # [N, 1, U + 1, J]
    logits = model.joiner(model.encoder_proj(encoder_out).unsqueeze(2), decoder_out)
    return transducer_loss(logits, batch.tokens, out_lens, batch.token_lens).sum()


class JointTask:
    """CTC, transducer and both attention decoders on one encoder."""

    stages = STAGES
    warm_up_steps = WARM_UP_STEPS

    def __init__(self, model: Recognizer, before: Progress, out: Path, num_examples: int) -> None:
        self.model, self.before, self.out = model, before, out
        self.num_examples = num_examples

    def takes(self, stage: Stage, example: Example) -> bool:
        return len(example.tokens) <= stage.max_tokens

    def losses(
        self, stage: Stage, group: list[Example], step: int, rng: random.Random
    ) -> dict[str, Tensor]:
        if stage.joint and rng.random() < GLUED_SHARE:
            group = glue(group, rng)
        batch = collate(group, self.model.encoder, rng if stage.perturbed else None)
        heads = ["transducer", ATTENTION_TURNS[step % len(ATTENTION_TURNS)]]
        context = rng.choice(stage.contexts)
        losses = all_losses(self.model, batch, context, heads if stage.joint else [])
        weights = WEIGHTS if stage.joint else {"ctc": 1.0}
        weighted = [weights[name] * value for name, value in losses.items()]
        return {"loss": torch.stack(weighted).sum(), **losses}

    def save(self, work: trainer.Work) -> None:
        done = Progress(
            self.before.epoch + work.utterances // self.num_examples,
            self.before.step + work.steps,
            self.before.minutes + work.minutes,
        )
        save(self.out, self.model, done)


def train(options: trainer.Options, rank: int) -> None:
    torch.manual_seed(options.seed)
    examples = read_examples(options.features, options.bpe)
    if options.init is None:
        model, before = Recognizer(_config(options.bpe)), Progress()
        set_normalization(model.encoder, examples)
    else:
        model, before = load(options.init)
    torch.manual_seed(1000 * options.seed + rank)
    task = JointTask(model, before, options.out, len(examples))
    trainer.Trainer(task, options, rank).run(examples)


def _config(bpe: Path) -> ModelConfig:
    return ModelConfig(vocab_size=load_bpe(bpe).get_piece_size())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    trainer.add_arguments(parser, minutes=50.0, learning_rate=1.2e-3)
    trainer.start(parser, trainer.Options, train)


if __name__ == "__main__":
    main()
