"""Features of training's sentences with made-up words in them, so that a model learns letters.

    python -m training.open_words /tmp/open.npz
    python -m training.train /tmp/open.npz BPE OUT --init assets/checkpoint.pt --from-stage 1

An experiment about hotwords: no shipped model is trained so. None of training/names.py's names is
ever said.
"""

import argparse
import dataclasses
import logging
import random
from pathlib import Path

from training.names import NAMES
from training.synthesize import write_features
from training.utterances import Utterance, training_list

_PARTS = """
    a e i o u a e i o ee ea oo ai ie ou au y
    b c d f g h k l m n p r s t v w y z bl br cl cr dr fl fr gl gr pl pr sc sl sm sn sp st sw\
    th tr ch sh
    n r s l m t k ck nd st ll ss x ng p d rk rt nt
"""
VOWELS, ONSETS, CODAS = (line.split() for line in _PARTS.strip().splitlines())
NO_CODA = 3  # times as likely as one of them
SENTENCES_SEED = 21
SENTENCES_SHARE = 0.6  # that have made-up words


def made_up_word(rng: random.Random) -> str:
    """One to three syllables, read as espeak-ng and the others read English."""
    while True:
        num_syllables = rng.choice((1, 2, 2, 2, 3))
        word = "".join(
            _syllable(rng, is_first=place == 0, is_last=place == num_syllables - 1)
            for place in range(num_syllables)
        ) + rng.choice(["", "", "", "a", "o", "e"])
        if word not in NAMES:
            return word


def _syllable(rng: random.Random, *, is_first: bool, is_last: bool) -> str:
    onset = rng.choice(ONSETS) if not is_first or rng.random() < 0.85 else ""
    vowel = rng.choice(VOWELS)
    has_coda = is_last or rng.random() < 0.4
    return onset + vowel + (rng.choice([*[""] * NO_CODA, *CODAS]) if has_coda else "")


def open_list(num_utterances: int = 9000, seed: int = 77) -> list[Utterance]:
    """Training's, with one to three words of most sentences replaced."""
    rng = random.Random(seed)
    utterances = []
    for utterance in training_list(num_utterances, SENTENCES_SEED):
        said = utterance.text.split()
        if said and rng.random() < SENTENCES_SHARE:
            num_words = min(len(said), rng.choice((1, 1, 2, 3)))
            for place in rng.sample(range(len(said)), num_words):
                said[place] = made_up_word(rng)
        utterances.append(dataclasses.replace(utterance, text=" ".join(said)))
    return utterances


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="features (.npz)")
    parser.add_argument("--utterances", type=int, default=9000)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    write_features(args.out, open_list(args.utterances), args.processes)


if __name__ == "__main__":
    main()
