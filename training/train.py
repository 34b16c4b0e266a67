"""Train within a wall-clock budget: CTC on short speech, CTC on all, then all heads.

CTC first, because the transducer learns token statistics before sounds and would drown the
encoder. Short speech in small chunks first, because an encoder that sees everything learns to emit
all tokens at the first frame, and stays there; one that sees its neighbourhood has to align. The
learning rate falls with the share of the budget spent, so training ends annealed however fast the
machine was.
"""

import argparse
import dataclasses
import functools
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training import parallel
from training.dataset import (
    Batch,
    Example,
    batches,
    collate,
    glue,
    read_examples,
    set_normalization,
)
from training.losses import attention_loss, ctc_loss, reverse_tokens, transducer_loss
from training.model import ModelConfig, Progress, Recognizer, load, save
from training.tokens import load_bpe

logger = logging.getLogger(__name__)

WARM_UP_STEPS = 100
WHOLE = (0, 0)
LOCAL = (4, 8)
CHUNKS = ((8, 64), (16, 64), (16, 64), (16, 64), (32, 64))
GLUED_SHARE = 0.15
FORGOTTEN_SHARE = 0.2  # of the transducer's history, or it learns which words never meet
SMOOTHING = 0.95
WEIGHTS = {"ctc": 0.5, "transducer": 0.5, "forward": 0.5, "backward": 0.5}
ATTENTION_TURNS = ("forward", "none", "backward", "none")
SAVE_EVERY_S = 120
LOG_EVERY_STEPS = 50


@dataclasses.dataclass(frozen=True)
class Stage:
    """ends_below: smoothed CTC loss in nats per token; ends_by: share of the budget.

    frames_per_batch: 10 ms each, padding counted, per process; contexts: chunk and left context in
    encoder frames (40 ms), one drawn per batch.
    """

    name: str
    max_tokens: int
    frames_per_batch: int
    contexts: tuple[tuple[int, int], ...]
    perturbed: bool
    joint: bool
    ends_below: float
    ends_by: float


STAGES = (
    Stage("CTC on short speech", 5, 2400, (LOCAL,), False, False, ends_below=2.0, ends_by=0.2),
    Stage("CTC", 1000, 4000, CHUNKS, True, False, ends_below=1.0, ends_by=0.5),
    Stage(
        "all heads", 1000, 4000, (*CHUNKS, *(WHOLE,) * 5), True, True, ends_below=0.0, ends_by=1.1
    ),
)


@dataclasses.dataclass(frozen=True)
class Options:
    features: Path
    bpe: Path
    out: Path
    init: Path | None
    from_stage: int
    minutes: float
    learning_rate: float
    seed: int


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


class Trainer:
    """Steps over the data until the budget is spent, saving as it goes."""

    def __init__(self, model: Recognizer, before: Progress, options: Options, rank: int) -> None:
        self.model = model
        self.before = before
        self.options = options
        self.rank = rank
        self.stages = list(STAGES[options.from_stage :])
        self.rng = random.Random(1000 * options.seed + rank)
        self.parameters = list(model.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01
        )
        self.started = self.saved = time.monotonic()
        self.step = self.utterances = 0
        self.spent = 0.0  # share of the budget, agreed between the processes
        self.smoothed = {"ctc": 9.0}

    def run(self, examples: Sequence[Example]) -> None:
        self.model.train()
        while self.spent < 1:
            self._run_stage(self.stages[0], examples)
        self._save(len(examples))

    def _run_stage(self, stage: Stage, examples: Sequence[Example]) -> None:
        """At most one pass over the examples that the stage takes."""
        chosen = [example for example in examples if len(example.tokens) <= stage.max_tokens]
        for group in batches(chosen, stage.frames_per_batch, self.rng):
            self.take_step(stage, group)
            self._report(len(examples))
            if self.spent >= 1 or stage != self.stages[0]:
                return

    def take_step(self, stage: Stage, group: list[Example]) -> None:
        rng = self.rng
        if stage.joint and rng.random() < GLUED_SHARE:
            group = glue(group, rng)
        batch = collate(group, self.model.encoder, rng if stage.perturbed else None)
        heads = ["transducer", ATTENTION_TURNS[self.step % len(ATTENTION_TURNS)]]
        context = rng.choice(stage.contexts)
        losses = all_losses(self.model, batch, context, heads if stage.joint else [])
        weights = WEIGHTS if stage.joint else {"ctc": 1.0}
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._update({name: float(value.detach()) for name, value in losses.items()})
        self.utterances += len(group)

    def _update(self, losses: dict[str, float]) -> None:
        """One optimiser step with the processes' mean gradient; the same decisions everywhere."""
        spent = (time.monotonic() - self.started) / (60 * self.options.minutes)
        self.spent, *means = parallel.average(self.parameters, [spent, *losses.values()])
        torch.nn.utils.clip_grad_norm_(self.parameters, 5.0)
        warm_up = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * warm_up * max(0.0, 1 - self.spent)
        self.optimizer.step()
        self.step += 1
        for name, value in zip(losses, means, strict=True):
            before = self.smoothed.get(name, value)
            self.smoothed[name] = SMOOTHING * before + (1 - SMOOTHING) * value
        stage = self.stages[0]
        if self.smoothed["ctc"] < stage.ends_below or self.spent > stage.ends_by:
            logger.info("step %d ends the stage of %s", self.step, stage.name)
            self.stages.pop(0)
            self.smoothed = {"ctc": 9.0}

    def _report(self, num_examples: int) -> None:
        if self.step % LOG_EVERY_STEPS == 0 and self.rank == 0:
            losses = " ".join(f"{name} {value:.3f}" for name, value in self.smoothed.items())
            seconds = time.monotonic() - self.started
            logger.info("step %d %.0f s %s", self.step, seconds, losses)
        if time.monotonic() - self.saved > SAVE_EVERY_S:
            self._save(num_examples)

    def _save(self, num_examples: int) -> None:
        self.saved = time.monotonic()
        minutes = (self.saved - self.started) / 60
        epoch = self.utterances * parallel.num_processes() // num_examples
        if self.rank == 0:
            steps, minutes = self.before.step + self.step, self.before.minutes + minutes
            done = Progress(self.before.epoch + epoch, steps, minutes)
            save(self.options.out, self.model, done)


def train(options: Options, rank: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(options.seed)
    examples = read_examples(options.features, options.bpe)
    if options.init is None:
        model, before = Recognizer(_config(options.bpe)), Progress()
        set_normalization(model.encoder, examples)
    else:
        model, before = load(options.init)
    torch.manual_seed(1000 * options.seed + rank)
    Trainer(model, before, options, rank).run(examples)


def _config(bpe: Path) -> ModelConfig:
    return ModelConfig(vocab_size=load_bpe(bpe).get_piece_size())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path, help="written by training.synthesize")
    parser.add_argument("bpe", type=Path, help="bpe.model, written by training.tokens")
    parser.add_argument("out", type=Path, help="checkpoint, written every few minutes")
    parser.add_argument("--minutes", type=float, default=50.0)
    parser.add_argument("--learning-rate", type=float, default=1.2e-3)
    parser.add_argument("--init", type=Path, help="start from this checkpoint")
    parser.add_argument("--from-stage", type=int, default=0, help="index into STAGES")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    args = vars(parser.parse_args())
    num_processes = args.pop("processes")
    parallel.run(functools.partial(train, Options(**args)), num_processes)


if __name__ == "__main__":
    main()
