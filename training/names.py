"""Two lists for hotwords, and their audio: names that no model has heard, and cities in noise.

The names and the lists were written down before any of it was heard, and nothing in them is chosen
by a result. Utterances with an even number are for choices, those with an odd one are reported.
"""

import argparse
import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import soundfile

from training import voices, words
from training.features import SAMPLE_RATE_HZ
from training.synthesize import synthesize, write_wavs
from training.utterances import (
    HELD_OUT_SPEEDS,
    Utterance,
    held_out_list,
    read_list,
    shipped,
    write_list,
)

HERE = Path(__file__).parent
LIST = HERE / "names.tsv"
NOISY = HERE / "cities_in_noise.tsv"
SHIPPED = HERE.parent / "tests" / "data" / "names"
NUM_SHIPPED = 12
COARSE = 64  # of 32768, what shipped samples are multiples of: finer noise takes room and no more
SEED = 6
WRONG_SEED = 7
NOISY_SEED = 8
NOISY_SNR_DB = (0.0, 10.0)  # training's are 12 and more
PLACES = (
    "vienna", "dublin", "oslo", "prague", "denver", "milan",
    "geneva", "seattle", "athens", "warsaw", "havana", "dallas",
)  # fmt: skip
PERSONS = (
    "helena", "marcus", "peter", "laura", "victor", "emma",
    "oscar", "nina", "simon", "clara", "david", "hugo",
)  # fmt: skip
NAMES = PLACES + PERSONS
LETTERS = "abcdefghiklmnoprstuvwxyz"  # those that the pieces have
VOWELS = "aeiou"
CONSONANTS = "".join(letter for letter in LETTERS if letter not in VOWELS)


def _sentence(rng: random.Random, name: str, names: Sequence[str]) -> list[str]:
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
            [command, name, "and", rng.choice(names)],
            [city, "from", name, "please"],
        ]
    )


def names_list(
    num_utterances: int = 240, seed: int = SEED, names: Sequence[str] = NAMES
) -> list[Utterance]:
    """By the speakers and at the speeds of the held-out list; every name is as often the first."""
    rng = random.Random(seed)
    speakers = sorted(voices.held_out_speakers())
    first = [name for _ in range(-(-num_utterances // len(names))) for name in names]
    rng.shuffle(first)
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
                text=" ".join(_sentence(rng, first[index], names)),
            )
        )
    return utterances


def noisy_list(num_utterances: int = 240, seed: int = NOISY_SEED) -> list[Utterance]:
    """As names_list, with the vocabulary's own cities for names, and much noise."""
    rng = random.Random(seed)
    return [
        dataclasses.replace(
            row,
            utterance_id=f"cities-{index:04d}",
            snr_db=round(rng.uniform(*NOISY_SNR_DB), 2),
        )
        for index, row in enumerate(names_list(num_utterances, seed, words.CITIES))
    ]


def reported(utterances: Sequence[Utterance]) -> list[Utterance]:
    """The half with odd numbers."""
    return list(utterances[1::2])


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


def write_hotwords(folder: Path, names: Sequence[str]) -> None:
    """Hotword files, a phrase a line: the names, and a thousand, of which the others are wrong."""
    wrong = wrong_names(1000 - len(names))
    for file, phrases in (("names.txt", names), ("names_1000.txt", [*names, *wrong])):
        (folder / file).write_text("".join(f"{name}\n" for name in phrases), encoding="utf-8")


def write_shipped(folder: Path, utterances: Sequence[Utterance]) -> None:
    """<id>.flac for each utterance, with Kaldi's text and a hotword file beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for utterance, samples in zip(utterances, synthesize(utterances), strict=True):
        coarse = samples // COARSE * COARSE
        soundfile.write(folder / f"{utterance.utterance_id}.flac", coarse, SAMPLE_RATE_HZ)
    text = "".join(f"{utterance.utterance_id} {utterance.text}\n" for utterance in utterances)
    (folder / "text").write_text(text, encoding="utf-8")
    (folder / "names.txt").write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", action="store_true", help="write the .tsv lists")
    parser.add_argument("--shipped", action="store_true", help="write tests/data/names")
    parser.add_argument("--audio", type=Path, help="write the audio here, and the hotword files")
    args = parser.parse_args()
    if args.lists:
        write_list(LIST, names_list())
        write_list(NOISY, noisy_list())
    if args.shipped:
        write_shipped(SHIPPED, shipped(reported(read_list(LIST)), NUM_SHIPPED))
    if args.audio is not None:
        for path, names in ((LIST, NAMES), (NOISY, words.CITIES)):
            write_wavs(args.audio / path.stem, read_list(path))
            write_hotwords(args.audio / path.stem, names)


if __name__ == "__main__":
    main()
