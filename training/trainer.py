"""The loop that every training shares: stages of steps until a budget of work is spent.

The learning rate falls with the share of the budget spent, so training ends annealed however fast
the machine was. What is learned, and from what, is a Task.
"""

import argparse
import dataclasses
import functools
import logging
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from training import parallel
from training.dataset import Spoken, batches

logger = logging.getLogger(__name__)

SMOOTHING = 0.95
SAVE_EVERY_S = 60
LOG_EVERY_STEPS = 50
LONGEST_STEP_S = 10.0  # what is beyond was a pause, which the budget does not count
UNKNOWN_LOSS = 9.0  # of a stage that has taken no step: above where any ends


@dataclasses.dataclass(frozen=True)
class Stage:
    """frames_per_batch: 10 ms each, padding counted, per process.

    The stage ends when the smoothed CTC loss in nats per token falls below ends_below, or at the
    share ends_by of the budget.
    """

    name: str
    frames_per_batch: int
    perturbed: bool
    ends_below: float
    ends_by: float


@dataclasses.dataclass(frozen=True)
class Options:
    """The arguments of the command line; minutes of work, in all stages together."""

    features: Path
    bpe: Path
    out: Path
    init: Path | None
    from_stage: int
    minutes: float
    learning_rate: float
    seed: int


@dataclasses.dataclass(frozen=True)
class Work:
    """Done in this run; utterances are those of all processes."""

    steps: int
    utterances: int
    minutes: float


StageT = TypeVar("StageT", bound=Stage)
ExampleT = TypeVar("ExampleT", bound=Spoken)
OptionsT = TypeVar("OptionsT", bound=Options)


class Task(Protocol[StageT, ExampleT]):
    """A model and what it learns."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def stages(self) -> Sequence[StageT]: ...

    @property
    def warm_up_steps(self) -> int: ...

    def takes(self, stage: StageT, example: ExampleT) -> bool: ...

    def losses(
        self, stage: StageT, group: list[ExampleT], step: int, rng: random.Random
    ) -> dict[str, Tensor]:
        """Scalars in nats: "loss" is minimised, "ctc" is per token, and all are reported."""
        ...

    def save(self, work: Work) -> None: ...


class Trainer(Generic[StageT, ExampleT]):
    """One process's part of the steps; the decisions are the same in all processes."""

    def __init__(self, task: Task[StageT, ExampleT], options: Options, rank: int) -> None:
        self.task, self.options, self.rank = task, options, rank
        self.stages = list(task.stages[options.from_stage :])
        self.rng = random.Random(1000 * options.seed + rank)
        self.parameters = [p for p in task.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01, fused=True
        )
        self.stepped = self.saved = time.monotonic()
        self.worked_s = 0.0
        self.step = self.utterances = 0
        self.spent = 0.0  # share of the budget, agreed between the processes
        self.smoothed = {"ctc": UNKNOWN_LOSS}

    def run(self, examples: Sequence[ExampleT]) -> None:
        self.task.model.train()
        while self.spent < 1:
            self._run_stage(self.stages[0], examples)
        self._save()

    def _run_stage(self, stage: StageT, examples: Sequence[ExampleT]) -> None:
        """At most one pass over the examples that the stage takes."""
        chosen = [example for example in examples if self.task.takes(stage, example)]
        for group in batches(chosen, stage.frames_per_batch, self.rng):
            self.take_step(stage, group)
            self._report()
            if self.spent >= 1 or stage != self.stages[0]:
                return

    def take_step(self, stage: StageT, group: list[ExampleT]) -> None:
        losses = self.task.losses(stage, group, self.step, self.rng)
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        means = self._agree({name: float(value.detach()) for name, value in losses.items()})
        self._update()
        self.utterances += len(group)
        for name, value in means.items():
            before = self.smoothed.get(name, value)
            self.smoothed[name] = SMOOTHING * before + (1 - SMOOTHING) * value
        self._end_stage()

    def _agree(self, losses: dict[str, float]) -> dict[str, float]:
        """The processes' means: of gradients, the share of the budget that is spent, and losses."""
        now = time.monotonic()
        self.worked_s += min(now - self.stepped, LONGEST_STEP_S)
        self.stepped = now
        spent = self.worked_s / (60 * self.options.minutes)
        self.spent, *means = parallel.average(self.parameters, [spent, *losses.values()])
        return dict(zip(losses, means, strict=True))

    def _update(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters, 5.0)
        warm_up = min(1.0, (self.step + 1) / self.task.warm_up_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * warm_up * max(0.0, 1 - self.spent)
        self.optimizer.step()
        self.step += 1

    def _end_stage(self) -> None:
        stage = self.stages[0]
        if self.smoothed["ctc"] < stage.ends_below or self.spent > stage.ends_by:
            logger.info("step %d ends the stage of %s", self.step, stage.name)
            self.stages.pop(0)
            self.smoothed = {"ctc": UNKNOWN_LOSS}

    def _report(self) -> None:
        if self.step % LOG_EVERY_STEPS == 0 and self.rank == 0:
            losses = " ".join(f"{name} {value:.3f}" for name, value in self.smoothed.items())
            logger.info("step %d %.0f s %s", self.step, self.worked_s, losses)
        if time.monotonic() - self.saved > SAVE_EVERY_S:
            self._save()

    def _save(self) -> None:
        self.saved = time.monotonic()
        if self.rank == 0:
            utterances = self.utterances * parallel.num_processes()
            self.task.save(Work(self.step, utterances, self.worked_s / 60))


def add_arguments(parser: argparse.ArgumentParser, minutes: float, learning_rate: float) -> None:
    """Those of Options, with these defaults, and how many processes share the work."""
    parser.add_argument("features", type=Path, help="written by training.synthesize")
    parser.add_argument("bpe", type=Path, help="bpe.model of the tokens")
    parser.add_argument("out", type=Path, help="checkpoint, written every minute")
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--learning-rate", type=float, default=learning_rate)
    parser.add_argument("--init", type=Path, help="start from this checkpoint")
    parser.add_argument("--from-stage", type=int, default=0, help="index into STAGES")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)


def start(
    parser: argparse.ArgumentParser,
    options: Callable[..., OptionsT],
    train: Callable[[OptionsT, int], None],
) -> None:
    """Call train(options, rank) in each process."""
    args = vars(parser.parse_args())
    num_processes = args.pop("processes")
    parallel.run(functools.partial(_begin, train, options(**args)), num_processes)


def _begin(train: Callable[[OptionsT, int], None], options: OptionsT, rank: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(options, rank)
