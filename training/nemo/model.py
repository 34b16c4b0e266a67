"""The demo's encoder with NeMo's features, which the utterance normalises, not the training set."""

from pathlib import Path

import torch
from torch import Tensor

from training.encoder import Encoder
from training.model import Progress, Recognizer, load

STD_GUARD = 1e-5  # NeMo's, added to the deviation


class NemoEncoder(Encoder):
    """The demo's, for features that the utterance itself normalises."""

    def normalize(self, x: Tensor) -> Tensor:
        """x: [T, F], raw log energies."""
        deviation = x.std(dim=0) if len(x) > 1 else torch.zeros(x.shape[1])
        return (x - x.mean(dim=0)) / (deviation + STD_GUARD)


def load_nemo(path: Path) -> tuple[Recognizer, Progress]:
    """A checkpoint of the demo or of this training."""
    model, progress = load(path)
    encoder = NemoEncoder(model.config.encoder)
    encoder.load_state_dict(model.encoder.state_dict())
    model.encoder = encoder
    return model.eval(), progress
