"""Train SenseVoice or Paraformer within a budget of time.

SenseVoice first, in three stages: short speech with attention that reaches few frames, all speech,
then attention without bounds; an encoder that sees everything at once learns to emit all tokens at
the first frame, and stays there. Paraformer starts from SenseVoice's encoder and needs the third
stage only; the online Paraformer from Paraformer, and the fourth.
"""

import argparse
import contextlib
import dataclasses
import random
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from training import trainer
from training.sanm.dataset import Cmvn, Example, collate, glue, measure_cmvn, read_examples
from training.sanm.models import CONFIGS, Checkpoint, load, objective, save

WARM_UP_STEPS = 150
GLUED_SHARE = 0.2
UNBOUNDED = 0


@dataclasses.dataclass(frozen=True)
class Stage(trainer.Stage):
    """max_frames: of an utterance, 10 ms each; reaches: of attention, in stacked frames of 60 ms.

    One reach is drawn per batch.
    """

    max_frames: int
    reaches: tuple[int, ...]


STAGES = (
    Stage(
        "short speech, near frames",
        frames_per_batch=2400,
        perturbed=False,
        ends_below=1.0,
        ends_by=0.3,
        max_frames=180,
        reaches=(4,),
    ),
    Stage(
        "near frames",
        frames_per_batch=3600,
        perturbed=True,
        ends_below=0.8,
        ends_by=0.5,
        max_frames=5000,
        reaches=(6, 10),
    ),
    Stage(
        "all",
        frames_per_batch=3600,
        perturbed=True,
        ends_below=0.0,
        ends_by=1.1,
        max_frames=5000,
        reaches=(10, UNBOUNDED, UNBOUNDED),
    ),
    Stage(
        "windows",
        frames_per_batch=3600,
        perturbed=True,
        ends_below=-1.0,
        ends_by=1.1,
        max_frames=5000,
        reaches=(UNBOUNDED,),
    ),
)


@dataclasses.dataclass(frozen=True)
class Options(trainer.Options):
    kind: str


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


class SanmTask:
    """FunASR's own losses, of batches that vary and whose attention may be bounded."""

    stages = STAGES
    warm_up_steps = WARM_UP_STEPS

    def __init__(self, options: Options, cmvn: Cmvn) -> None:
        self.options, self.cmvn = options, cmvn
        self.objective = objective(options.kind, options.bpe)
        self.model = self.objective.model
        self.minutes_before = 0.0
        if options.init is not None:
            self._start_from(load(options.init))
        compute_in_bfloat16(self.model.encoder)

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

    def takes(self, stage: Stage, example: Example) -> bool:
        return len(example.features) <= stage.max_frames

    def losses(
        self, stage: Stage, group: list[Example], step: int, rng: random.Random
    ) -> dict[str, Tensor]:
        del step
        if stage.perturbed and rng.random() < GLUED_SHARE:
            group = glue(group, rng)
        silent_frames = self.objective.silent_frames
        batch = collate(group, self.cmvn, rng if stage.perturbed else None, silent_frames)
        with attention_within(self.model, rng.choice(stage.reaches)):
            return self.objective.losses(batch, rng)

    def save(self, work: trainer.Work) -> None:
        minutes = self.minutes_before + work.minutes
        weights = self.model.state_dict()
        save(self.options.out, Checkpoint(self.options.kind, self.cmvn, weights, minutes))


def train(options: Options, rank: int) -> None:
    examples = read_examples(options.features)
    cmvn = measure_cmvn(examples) if options.init is None else load(options.init).cmvn
    torch.manual_seed(options.seed)  # the same weights in every process
    task = SanmTask(options, cmvn)
    torch.manual_seed(1000 * options.seed + rank)  # other dropout in each
    trainer.Trainer(task, options, rank).run(examples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(CONFIGS))
    trainer.add_arguments(parser, minutes=20.0, learning_rate=1.5e-3)
    trainer.start(parser, Options, train)


if __name__ == "__main__":
    main()
