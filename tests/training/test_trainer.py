"""What every training shares: the budget, the stages, the learning rate, the weights it leaves."""

import dataclasses
import itertools
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'auricle[train]'")
pytest.importorskip("kaldi_native_fbank")

from training import trainer  # noqa: E402
from training.trainer import Options, Stage, Trainer, Work  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

SECONDS_PER_LOOK = 1.0  # the clock moves on whenever it is read


@dataclasses.dataclass(frozen=True)
class Number:
    """An example whose length is all that counts."""

    features: NDArray[np.float16]


NUMBERS = [Number(np.full((10 * length, 80), length, np.float16)) for length in (1, 2, 3, 4)]


class Mean:
    """One weight that learns to be 3; notes all that it is given and asked to save."""

    warm_up_steps = 4

    def __init__(self, *stages: Stage) -> None:
        self.stages = stages
        self.model = torch.nn.Linear(1, 1, bias=False)
        self.seen: list[tuple[str, int]] = []
        self.saved: list[Work] = []

    def takes(self, stage: Stage, example: Number) -> bool:
        return len(example.features) <= (20 if stage.name == "short" else 1000)

    def losses(
        self, stage: Stage, group: list[Number], step: int, rng: random.Random
    ) -> "dict[str, Tensor]":
        self.seen += [(stage.name, len(example.features)) for example in group]
        loss = (self.model.weight.sum() - 3) ** 2
        return {"loss": loss, "ctc": loss}

    def save(self, work: Work) -> None:
        self.saved.append(work)


def stage(name: str, ends_below: float = 0.0, ends_by: float = 1.1) -> Stage:
    return Stage(name, 1000, perturbed=False, ends_below=ends_below, ends_by=ends_by)


def options(minutes: float, from_stage: int = 0) -> Options:
    nowhere = Path("unused")
    return Options(nowhere, nowhere, nowhere, None, from_stage, minutes, 0.1, seed=0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses to come: seconds that the next looks at the clock take."""
    now = itertools.accumulate(itertools.repeat(SECONDS_PER_LOOK))
    pauses: list[float] = []
    slept = [0.0]

    def monotonic() -> float:
        if pauses:
            slept[0] += pauses.pop()
        return next(now) + slept[0]

    monkeypatch.setattr(trainer.time, "monotonic", monotonic)
    return pauses


def test_training_ends_with_the_budget_and_saves(clock: list[float]) -> None:
    task = Mean(stage("all"))
    Trainer(task, options(minutes=1), rank=0).run(NUMBERS)
    assert task.saved[-1].minutes == pytest.approx(1, abs=0.1)


def test_a_pause_is_not_work(clock: list[float]) -> None:
    steps = []
    for pause in (0.0, 50.0):
        task = Mean(stage("all"))
        running = Trainer(task, options(minutes=1), rank=0)
        clock.append(pause)
        running.run(NUMBERS)
        steps.append(task.saved[-1].steps)
    lost = trainer.LONGEST_STEP_S / (2 * SECONDS_PER_LOOK)  # two looks a step
    assert steps[0] - lost - 1 <= steps[1] < steps[0]


def test_a_stage_takes_its_examples_and_ends_with_its_share(clock: list[float]) -> None:
    task = Mean(stage("short", ends_by=0.5), stage("all"))
    Trainer(task, options(minutes=1), rank=0).run(NUMBERS)
    names = [name for name, _ in task.seen]
    assert names == sorted(names, reverse=True)
    assert {length for name, length in task.seen if name == "short"} == {10, 20}
    assert {length for name, length in task.seen if name == "all"} == {10, 20, 30, 40}


def test_a_stage_ends_when_its_loss_is_low_enough(clock: list[float]) -> None:
    task = Mean(stage("short", ends_below=0.5), stage("all"))
    Trainer(task, options(minutes=8), rank=0).run(NUMBERS)
    assert ("all", 40) in task.seen


def test_later_stages_can_come_first(clock: list[float]) -> None:
    task = Mean(stage("short"), stage("all"))
    Trainer(task, options(minutes=1, from_stage=1), rank=0).run(NUMBERS)
    assert {name for name, _ in task.seen} == {"all"}


def test_the_rate_rises_then_falls_to_nothing(clock: list[float]) -> None:
    task = Mean(stage("all"))
    running = Trainer(task, options(minutes=1), rank=0)
    rates = []
    while running.spent < 1:
        running.take_step(task.stages[0], NUMBERS)
        rates.append(running.optimizer.param_groups[0]["lr"])
    highest = rates.index(max(rates))
    assert highest < 2 * task.warm_up_steps
    assert rates[: highest + 1] == sorted(rates[: highest + 1])
    assert rates[highest:] == sorted(rates[highest:], reverse=True)
    assert rates[-1] == 0


def test_only_the_first_process_saves(clock: list[float]) -> None:
    task = Mean(stage("all"))
    before = task.model.weight.item()
    Trainer(task, options(minutes=1), rank=1).run(NUMBERS)
    assert not task.saved
    assert task.model.weight.item() != before  # but it learns as well
