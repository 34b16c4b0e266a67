"""Utterances with names that no model has heard, for hotwords; the list, and its audio.

The names and the list were written down before any of it was heard, and nothing in them is chosen
by a result. Utterances with an even number are for choices, those with an odd one are reported.
"""

import argparse
import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

from training import voices, words
from training.synthesize import write_wavs
from training.utterances import (
    HELD_OUT_SPEEDS,
    Utterance,
    held_out_list,
    read_list,
    write_list,
)

HERE = Path(__file__).parent
LIST = HERE / "names.tsv"
SEED = 6
WRONG_SEED = 7
PLACES = tuple(
    "vienna dublin oslo prague denver milan geneva seattle athens warsaw havana dallas".split()
)
PERSONS = tuple("helena marcus peter laura victor emma oscar nina simon clara david hugo".split())
NAMES = PLACES + PERSONS
LETTERS = "abcdefghiklmnoprstuvwxyz"  # those that the pieces have
VOWELS = "aeiou"
CONSONANTS = "".join(letter for letter in LETTERS if letter not in VOWELS)


def _sentence(rng: random.Random, name: str) -> list[str]:
    """Of the forms of words.py, with the name where a word would be."""
    command, city, day = (rng.choice(each) for each in (words.COMMANDS, words.CITIES, words.DAYS))
    thing = ["the", rng.choice(words.COLOURS), rng.choice(words.OBJECTS)]
    return rng.choice(
        [
            ["call", name],
            [command, name, rng.choice(words.DIRECTIONS)],
            [command, name, "from", city],
            [command, city, "from", name, day],
            [command, name, "at", rng.choice(words.NUMBERS)],
            [command, *thing, "with", name],
            [command, name, "and", rng.choice(NAMES)],
            [city, "from", name, "please"],
        ]
    )


def names_list(num_utterances: int = 240, seed: int = SEED) -> list[Utterance]:
    """By the speakers and at the speeds of the held-out list; every name is as often the first."""
    rng = random.Random(seed)
    speakers = sorted(voices.held_out_speakers())
    names = [name for _ in range(-(-num_utterances // len(NAMES))) for name in NAMES]
    rng.shuffle(names)
    utterances = []
    for index, row in enumerate(held_out_list(num_utterances, seed)):
        voice = voices.draw_voice(rng, rng.choice(speakers))
        utterances.append(
            dataclasses.replace(
                row,
                utterance_id=f"names-{index:04d}",
                speaker=voice.speaker,
                engine=voice.engine,
                voice=voice.name,
                words_per_minute=rng.choice(HELD_OUT_SPEEDS),
                text=" ".join(_sentence(rng, names[index])),
            )
        )
    return utterances


def wrong_names(num_names: int = 976, seed: int = WRONG_SEED) -> list[str]:
    """Made of two or three syllables, none of them a name or a word of the vocabulary."""
    rng = random.Random(seed)
    known = {*NAMES, *words.VOCABULARY}
    made: dict[str, None] = {}
    while len(made) < num_names:
        word = "".join(_syllable(rng) for _ in range(rng.choice((2, 2, 3))))
        if word not in known:
            made[word] = None
    return list(made)


def _syllable(rng: random.Random) -> str:
    ending = rng.choice(("", "", "n", "r", "s", "l"))
    return rng.choice(CONSONANTS) + rng.choice(VOWELS) + ending


def write_names(path: Path, names: Sequence[str]) -> None:
    """A hotword file: one name a line."""
    path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", action="store_true", help="write names.tsv")
    parser.add_argument("--audio", type=Path, help="write the audio here, and the hotword files")
    args = parser.parse_args()
    if args.lists:
        write_list(LIST, names_list())
    if args.audio is not None:
        folder = args.audio / LIST.stem
        write_wavs(folder, read_list(LIST))
        write_names(folder / "names.txt", NAMES)
        write_names(folder / "names_1000.txt", [*NAMES, *wrong_names()])


if __name__ == "__main__":
    main()
