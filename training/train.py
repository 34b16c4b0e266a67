"""Train within a wall-clock budget: short utterances, then CTC alone, then all heads.

CTC learns to align within hundreds of small steps on one or two words, and takes thousands on all.
The transducer learns token statistics first and would drown the encoder; CTC first avoids that.
The learning rate falls with the share of the budget spent, so training ends annealed however fast
the machine was.
"""

import argparse
import dataclasses
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

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

WARM_UP_STEPS = 250
CHUNKED_SHARE = 0.5  # of batches; the rest see the whole utterance
CHUNKS = (8, 16, 16, 16, 32)  # encoder frames, 40 ms each
LEFT_CONTEXT = 64
GLUED_SHARE = 0.15


@dataclasses.dataclass(frozen=True)
class Stage:
    """ends_below: smoothed CTC loss in nats per token; ends_by: share of the budget."""

    name: str
    frames_per_batch: int
    max_tokens: int
    perturbed: bool
    joint: bool
    ends_below: float
    ends_by: float


STAGES = (
    Stage("one or two words", 2400, 5, False, False, ends_below=2.0, ends_by=0.12),
    Stage("CTC alone", 6400, 1000, True, False, ends_below=1.0, ends_by=0.35),
    Stage("all heads", 6400, 1000, True, True, ends_below=0.0, ends_by=1.0),
)
SMOOTHING = 0.97
WEIGHTS = {"ctc": 0.5, "transducer": 0.5, "forward": 0.5, "backward": 0.5}
ATTENTION_TURNS = ("forward", "backward", "none")
SAVE_EVERY_S = 180
LOG_EVERY_STEPS = 50


@dataclasses.dataclass(frozen=True)
class Options:
    out: Path
    minutes: float
    learning_rate: float
    seed: int


def all_losses(
    model: Recognizer, batch: Batch, chunk: int, joint: bool, rng: random.Random
) -> dict[str, Tensor]:
    """Each head's loss per token; CTC's alone unless joint.

    The attention decoders are slow and matter less, so they take turns: a batch trains one or none.
    """
    encoder_out, out_lens = model.encoder.forward_normalized(
        batch.x, batch.x_lens, chunk, LEFT_CONTEXT
    )
    num_tokens = batch.token_lens.sum().clamp(min=1)
    log_probs = model.ctc(encoder_out).log_softmax(dim=2)
    losses = {"ctc": ctc_loss(log_probs, batch.tokens, out_lens, batch.token_lens) / num_tokens}
    if not joint:
        return losses
    memory = (encoder_out, out_lens)
    losses["transducer"] = _transducer(model, batch, memory) / num_tokens
    turn = rng.choice(ATTENTION_TURNS)
    if turn == "forward":
        losses[turn] = attention_loss(model.left_to_right, batch.tokens, batch.token_lens, memory)
    elif turn == "backward":
        backwards = reverse_tokens(batch.tokens, batch.token_lens)
        losses[turn] = attention_loss(model.right_to_left, backwards, batch.token_lens, memory)
    return losses


def _transducer(model: Recognizer, batch: Batch, memory: tuple[Tensor, Tensor]) -> Tensor:
    encoder_out, out_lens = memory
    history = F.pad(F.pad(batch.tokens, (1, 0), value=0), (1, 0), value=-1)  # [-1, 0] comes first
    decoder_out = model.decoder_proj(model.decoder(history)).unsqueeze(1)  # [N, 1, U + 1, J]
    logits = model.joiner(model.encoder_proj(encoder_out).unsqueeze(2), decoder_out)
    return transducer_loss(logits, batch.tokens, out_lens, batch.token_lens).sum()


class Trainer:
    """Steps over the data until the budget is spent, saving as it goes."""

    def __init__(self, model: Recognizer, options: Options, stages: Sequence[Stage]) -> None:
        self.model = model
        self.options = options
        self.stages = list(stages)
        self.rng = random.Random(options.seed)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.01
        )
        self.started = self.saved = time.monotonic()
        self.step = self.epoch = 0
        self.smoothed = {"ctc": 9.0}

    @property
    def spent(self) -> float:
        """Share of the budget."""
        return (time.monotonic() - self.started) / (60 * self.options.minutes)

    def run(self, examples: Sequence[Example]) -> None:
        self.model.train()
        while self.spent < 1:
            self.epoch += self._run_epoch(self.stages[0], examples)
        self._save()

    def _run_epoch(self, stage: Stage, examples: Sequence[Example]) -> bool:
        """Whether the stage and the budget lasted for all examples."""
        chosen = [example for example in examples if len(example.tokens) <= stage.max_tokens]
        for group in batches(chosen, stage.frames_per_batch, self.rng):
            if self.spent >= 1 or stage != self.stages[0]:
                return False
            self.take_step(stage, group)
            self._report()
        return len(chosen) == len(examples)

    def take_step(self, stage: Stage, group: list[Example]) -> None:
        rng = self.rng
        if stage.joint and rng.random() < GLUED_SHARE:
            group = glue(group, rng)
        chunk = rng.choice(CHUNKS) if stage.perturbed and rng.random() < CHUNKED_SHARE else 0
        batch = collate(group, self.model.encoder, rng if stage.perturbed else None)
        losses = all_losses(self.model, batch, chunk, stage.joint, rng)
        weights = WEIGHTS if stage.joint else {"ctc": 1.0}
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = self._learning_rate()
        self.optimizer.step()
        self.step += 1
        self._smooth({name: float(value.detach()) for name, value in losses.items()})

    def _learning_rate(self) -> float:
        warm_up = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        return self.options.learning_rate * warm_up * max(0.0, 1 - self.spent)

    def _smooth(self, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            before = self.smoothed.get(name, value)
            self.smoothed[name] = SMOOTHING * before + (1 - SMOOTHING) * value
        stage = self.stages[0]
        if self.smoothed["ctc"] < stage.ends_below or self.spent > stage.ends_by:
            logger.info("step %d ends the stage of %s", self.step, stage.name)
            self.stages = self.stages[1:] or self.stages
            self.smoothed = {"ctc": 9.0}

    def _report(self) -> None:
        if self.step % LOG_EVERY_STEPS == 0:
            losses = " ".join(f"{name} {value:.3f}" for name, value in self.smoothed.items())
            seconds = time.monotonic() - self.started
            logger.info("epoch %d step %d %.0f s %s", self.epoch, self.step, seconds, losses)
        if time.monotonic() - self.saved > SAVE_EVERY_S:
            self._save()

    def _save(self) -> None:
        self.saved = time.monotonic()
        minutes = (self.saved - self.started) / 60
        save(self.options.out, self.model, Progress(self.epoch, self.step, minutes))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path, help="written by training.synthesize")
    parser.add_argument("bpe", type=Path, help="bpe.model, written by training.tokens")
    parser.add_argument("out", type=Path, help="checkpoint, written every few minutes")
    parser.add_argument("--minutes", type=float, default=50.0)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--init", type=Path, help="start from this checkpoint, all heads at once")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    args = _parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    examples = read_examples(args.features, args.bpe)
    if args.init is None:
        model = Recognizer(ModelConfig(vocab_size=load_bpe(args.bpe).get_piece_size()))
        set_normalization(model.encoder, examples)
    else:
        model, _ = load(args.init)
    options = Options(args.out, args.minutes, args.learning_rate, args.seed)
    Trainer(model, options, STAGES if args.init is None else STAGES[-1:]).run(examples)


if __name__ == "__main__":
    main()
