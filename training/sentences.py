"""Write sentences of the demo's grammar, none with a word pair that is held out from training.

python -m training.sentences 100000 sentences.txt
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from training.words import training_sentence

SEED = 6  # of no list in training/utterances.py


def draw_sentences(num_sentences: int, seed: int = SEED) -> Iterator[str]:
    rng = random.Random(seed)
    return (training_sentence(rng) for _ in range(num_sentences))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("num_sentences", type=int)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    text = "".join(sentence + "\n" for sentence in draw_sentences(args.num_sentences))
    args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
