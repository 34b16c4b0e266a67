"""Train the demo's encoder and its CTC head on, with NeMo's features, within a budget of time."""

import argparse
import dataclasses
import random
from pathlib import Path

import torch
from torch import Tensor

from training import trainer
from training.dataset import Example, collate, glue, read_examples
from training.losses import ctc_loss
from training.model import Progress, Recognizer, save
from training.nemo.model import load_nemo
from training.train import CHUNKS, GLUED_SHARE, WARM_UP_STEPS, WHOLE


@dataclasses.dataclass(frozen=True)
class Stage(trainer.Stage):
    contexts: tuple[tuple[int, int], ...]


STAGES = (
    Stage(
        "CTC",
        frames_per_batch=4000,
        perturbed=True,
        ends_below=0.0,
        ends_by=1.1,
        contexts=(*CHUNKS, *(WHOLE,) * 10),
    ),
)


class NemoTask:
    """CTC alone."""

    stages = STAGES
    warm_up_steps = WARM_UP_STEPS

    def __init__(self, model: Recognizer, out: Path) -> None:
        self.model, self.out = model, out

    def takes(self, _stage: Stage, _example: Example) -> bool:
        return True

    def losses(
        self, stage: Stage, group: list[Example], _step: int, rng: random.Random
    ) -> dict[str, Tensor]:
        if rng.random() < GLUED_SHARE:
            group = glue(group, rng)
        batch = collate(group, self.model.encoder, rng)
        context = rng.choice(stage.contexts)
        encoder_out, out_lens = self.model.encoder.forward_normalized(
            batch.x, batch.x_lens, *context
        )
        log_probs = self.model.ctc(encoder_out).log_softmax(dim=2)
        total = ctc_loss(log_probs, batch.tokens, out_lens, batch.token_lens)
        loss = total / batch.token_lens.sum().clamp(min=1)
        return {"loss": loss, "ctc": loss}

    def save(self, work: trainer.Work) -> None:
        save(self.out, self.model, Progress(0, work.steps, work.minutes))


def train(options: trainer.Options, rank: int) -> None:
    torch.manual_seed(1000 * options.seed + rank)
    assert options.init is not None, "name the demo's checkpoint with --init"
    model, _ = load_nemo(options.init)
    for part in (model.decoder, model.encoder_proj, model.decoder_proj, model.joiner,
                 model.left_to_right, model.right_to_left):  # fmt: skip
        part.requires_grad_(False)
    examples = read_examples(options.features, options.bpe)
    trainer.Trainer(NemoTask(model, options.out), options, rank).run(examples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    trainer.add_arguments(parser, minutes=10.0, learning_rate=8e-4)
    trainer.start(parser, trainer.Options, train)


if __name__ == "__main__":
    main()
