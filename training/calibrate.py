"""Lower the blank's bias of transducer and CTC until they stop dropping words.

A model trained briefly leaves out words more often than it invents them. How much to lower the bias
is chosen on a development list, which shares no sentence with the held-out lists.
"""

import argparse
import logging
from pathlib import Path

import torch
from torch import nn

from training.decode import BLANK
from training.evaluate import Transcriber, read_set, torch_ctc, torch_transducer, word_error_rate
from training.model import load, save

logger = logging.getLogger(__name__)

PENALTIES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)  # nats


def calibrate(
    layer: nn.Linear, transcribe: Transcriber, development: Path, bpe_model: Path
) -> None:
    """Set layer's bias for blank to what gives the fewest word errors."""
    utterances = read_set(development)
    trained = float(layer.bias.data[BLANK])
    rates: dict[float, float] = {}
    for penalty in PENALTIES:
        layer.bias.data[BLANK] = trained - penalty
        rates[penalty] = word_error_rate(transcribe, utterances, bpe_model)
        logger.info("blank lowered by %.1f: %.2f %%", penalty, rates[penalty])
    layer.bias.data[BLANK] = trained - min(rates, key=rates.__getitem__)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("development", type=Path, help="written by training.heldout --audio")
    parser.add_argument("bpe", type=Path)
    parser.add_argument("checkpoint", type=Path, help="of training.train")
    parser.add_argument("out", type=Path, help="the calibrated checkpoint")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, progress = load(args.checkpoint)
    calibrate(model.joiner.out, torch_transducer(model, 0), args.development, args.bpe)
    calibrate(model.ctc, torch_ctc(model, 0), args.development, args.bpe)
    save(args.out, model, progress)


if __name__ == "__main__":
    main()
