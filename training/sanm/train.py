"""Train SenseVoice or Paraformer within a wall-clock budget.

SenseVoice first, in three stages: short speech with attention that reaches few frames, all speech,
then attention without bounds; an encoder that sees everything at once learns to emit all tokens at
the first frame, and stays there. Paraformer starts from SenseVoice's encoder and needs the last
stage only. The learning rate falls with the share of the budget spent.
"""

import argparse
import contextlib
import dataclasses
import functools
import logging
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from training import parallel
from training.dataset import batches
from training.sanm.dataset import Cmvn, Example, collate, glue, measure_cmvn, read_examples
from training.sanm.models import CONFIGS, Checkpoint, load, objective, save

logger = logging.getLogger(__name__)

WARM_UP_STEPS = 150
SMOOTHING = 0.95
GLUED_SHARE = 0.2
SAVE_EVERY_S = 60
LOG_EVERY_STEPS = 50
LONGEST_STEP_S = 10.0  # what is beyond was a pause, which the budget does not count
UNBOUNDED = 0


@dataclasses.dataclass(frozen=True)
class Stage:
    """max_frames: of an utterance, 10 ms each; reaches: of attention, in stacked frames of 60 ms.

    frames_per_batch: padding counted, per process; one reach is drawn per batch. The stage ends
    when the smoothed CTC loss in nats per token falls below ends_below, or at the share ends_by of
    the budget.
    """

    name: str
    max_frames: int
    frames_per_batch: int
    reaches: tuple[int, ...]
    perturbed: bool
    ends_below: float
    ends_by: float


STAGES = (
    Stage("short speech, near frames", 180, 2400, (4,), False, ends_below=1.0, ends_by=0.3),
    Stage("near frames", 5000, 3600, (6, 10), True, ends_below=0.8, ends_by=0.5),
    Stage("all", 5000, 3600, (10, UNBOUNDED, UNBOUNDED), True, ends_below=0.0, ends_by=1.1),
)


@dataclasses.dataclass(frozen=True)
class Options:
    kind: str
    features: Path
    bpe: Path
    out: Path
    init: Path | None
    from_stage: int
    minutes: float
    learning_rate: float
    seed: int


@contextlib.contextmanager
def attention_within(model: nn.Module, reach: int) -> Iterator[None]:
    """Let attention of the encoder see reach frames before and after a frame; 0 is all."""
    layers = [layer for layer in model.encoder.modules() if hasattr(layer, "self_attn")]

    def limit(
        layer: nn.Module, args: tuple[Tensor, Tensor], kwargs: dict[str, Tensor]
    ) -> tuple[tuple[Tensor, Tensor], dict[str, Tensor]]:
        del layer
        frames = torch.arange(args[0].shape[1])
        band = ((frames.unsqueeze(1) - frames).abs() <= reach).float()
        return args[:2], kwargs | {"mask_att_chunk_encoder": band.unsqueeze(0)}

    bounded = layers if reach != UNBOUNDED else []
    handles = [layer.register_forward_pre_hook(limit, with_kwargs=True) for layer in bounded]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def compute_in_bfloat16(encoder: nn.Module) -> None:
    """Twice as fast on processors that know bfloat16; heads and losses stay in float32.

    Others imitate it: one with AVX2 alone was eight times slower than in float32, so they do not.
    """
    known = torch.cpu.get_capabilities()
    if not (known.get("avx512_bf16") or known.get("amx_bf16")):
        return
    forward = encoder.forward

    def quick(*args: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16):
            encoder_out, *rest = forward(*args)
        return encoder_out.float(), *rest

    encoder.forward = quick


class Trainer:
    """Steps over the data until the budget is spent, saving as it goes."""

    def __init__(self, options: Options, cmvn: Cmvn, rank: int) -> None:
        self.options, self.cmvn, self.rank = options, cmvn, rank
        self.objective = objective(options.kind, options.bpe)
        self.model = self.objective.model
        self.minutes_before = 0.0
        if options.init is not None:
            self._start_from(load(options.init))
        compute_in_bfloat16(self.model.encoder)
        self.stages = list(STAGES[options.from_stage :])
        self.rng = random.Random(1000 * options.seed + rank)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self.stepped = self.saved = time.monotonic()
        self.worked_s = 0.0
        self.step = 0
        self.spent = 0.0  # share of the budget, agreed between the processes
        self.smoothed = {"ctc": 9.0}

    def _start_from(self, checkpoint: Checkpoint) -> None:
        """The same kind goes on; another kind, or other tokens, lend all that fits."""
        own = self.model.state_dict()
        lent = {
            name: value
            for name, value in checkpoint.weights.items()
            if name in own and own[name].shape == value.shape
        }
        self.model.load_state_dict(own | lent)
        if checkpoint.kind == self.options.kind:
            self.minutes_before = checkpoint.minutes

    def run(self, examples: Sequence[Example]) -> None:
        self.model.train()
        while self.spent < 1:
            self._run_stage(self.stages[0], examples)
        self._save()

    def _run_stage(self, stage: Stage, examples: Sequence[Example]) -> None:
        """At most one pass over the examples that the stage takes."""
        chosen = [e for e in examples if len(e.features) <= stage.max_frames]
        for group in batches(chosen, stage.frames_per_batch, self.rng):
            self.take_step(stage, group)
            self._report()
            if self.spent >= 1 or stage != self.stages[0]:
                return

    def take_step(self, stage: Stage, group: list[Example]) -> None:
        rng = self.rng
        if stage.perturbed and rng.random() < GLUED_SHARE:
            group = glue(group, rng)
        batch = collate(group, self.cmvn, rng if stage.perturbed else None)
        with attention_within(self.model, rng.choice(stage.reaches)):
            losses = self.objective.losses(batch, rng)
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        self._update({name: float(value.detach()) for name, value in losses.items()})

    def _update(self, losses: dict[str, float]) -> None:
        """One optimiser step with the processes' mean gradient; the same decisions everywhere."""
        now = time.monotonic()
        self.worked_s += min(now - self.stepped, LONGEST_STEP_S)
        self.stepped = now
        spent = self.worked_s / (60 * self.options.minutes)
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

    def _report(self) -> None:
        if self.step % LOG_EVERY_STEPS == 0 and self.rank == 0:
            losses = " ".join(f"{name} {value:.3f}" for name, value in self.smoothed.items())
            logger.info("step %d %.0f s %s", self.step, self.worked_s, losses)
        if time.monotonic() - self.saved > SAVE_EVERY_S:
            self._save()

    def _save(self) -> None:
        self.saved = time.monotonic()
        minutes = self.minutes_before + self.worked_s / 60
        if self.rank == 0:
            weights = self.model.state_dict()
            save(self.options.out, Checkpoint(self.options.kind, self.cmvn, weights, minutes))


def train(options: Options, rank: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    examples = read_examples(options.features)
    cmvn = measure_cmvn(examples) if options.init is None else load(options.init).cmvn
    torch.manual_seed(options.seed)  # the same weights in every process
    trainer = Trainer(options, cmvn, rank)
    torch.manual_seed(1000 * options.seed + rank)  # other dropout in each
    trainer.run(examples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(CONFIGS))
    parser.add_argument("features", type=Path, help="of training.synthesize --fbank funasr")
    parser.add_argument("bpe", type=Path, help="bpe.model of training.sanm.tokens")
    parser.add_argument("out", type=Path, help="checkpoint, written every minute")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--init", type=Path, help="start from this checkpoint, of either kind")
    parser.add_argument("--from-stage", type=int, default=0, help="index into STAGES")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    args = vars(parser.parse_args())
    num_processes = args.pop("processes")
    parallel.run(functools.partial(train, Options(**args)), num_processes)


if __name__ == "__main__":
    main()
