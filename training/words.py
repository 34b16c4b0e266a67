"""The vocabulary, the sentences, and the word pairs that training never sees.

No two words sound alike (no "to" beside "two"): without a language model nothing could tell them
apart.
"""

import itertools
import random
import zlib


def _words(spaced: str) -> list[str]:
    return spaced.split()


NUMBERS = _words(
    "zero one two three four five six seven eight nine ten eleven twelve twenty hundred thousand"
)
DIGITS = NUMBERS[:10]
COLOURS = _words("red green blue yellow black white orange purple silver")
COMMANDS = _words("play stop start open shut turn call send move find show repeat pause")
DIRECTIONS = _words("left right up down north south east west forward back on off")
CITIES = _words("london paris berlin tokyo madrid boston chicago sydney cairo lisbon")
OBJECTS = _words("light door window music camera table kitchen garden radio alarm")
DAYS = _words("monday tuesday wednesday thursday friday saturday sunday today tomorrow")
UNITS = _words("seconds minutes hours meters percent degrees dollars")
GLUE = _words("the and please from with at yes no is not")
VOCABULARY = NUMBERS + COLOURS + COMMANDS + DIRECTIONS + CITIES + OBJECTS + DAYS + UNITS + GLUE

HELD_OUT_SHARE = 8  # one word pair in eight
SENTENCE_LENGTHS = (1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7)


def is_held_out(first: str, second: str) -> bool:
    """Whether training must never say these two words in a row: a fixed property of the pair."""
    return zlib.crc32(f"{first} {second}".encode()) % HELD_OUT_SHARE == 0


def has_held_out_pair(sentence: str) -> bool:
    words = sentence.split()
    return any(is_held_out(a, b) for a, b in itertools.pairwise(words))


def _command(rng: random.Random) -> list[str]:
    words = [rng.choice(COMMANDS), "the", rng.choice(COLOURS), rng.choice(OBJECTS)]
    ending = rng.choice([[], [rng.choice(DIRECTIONS)], ["at", rng.choice(NUMBERS)], ["please"]])
    return words + ending


def _journey(rng: random.Random) -> list[str]:
    words = [rng.choice(COMMANDS), rng.choice(CITIES), "from", rng.choice(CITIES)]
    return words + rng.choice([[], [rng.choice(DAYS)]])


def _measure(rng: random.Random) -> list[str]:
    words = [rng.choice(NUMBERS), rng.choice(UNITS)]
    return words + rng.choice([[], [rng.choice(DIRECTIONS)], ["and", rng.choice(NUMBERS)]])


def _any_sentence(rng: random.Random) -> list[str]:
    length = rng.choice(SENTENCE_LENGTHS)
    kind = rng.random()
    if kind < 0.55:
        return [rng.choice(VOCABULARY) for _ in range(length)]
    if kind < 0.70:
        return [rng.choice(DIGITS) for _ in range(length)]
    return rng.choice([_command, _journey, _measure])(rng)


def training_sentence(rng: random.Random) -> str:
    """A sentence of 1 to 7 words with no held-out pair in it."""
    while True:
        sentence = " ".join(_any_sentence(rng))
        if not has_held_out_pair(sentence):
            return sentence


def held_out_sentence(rng: random.Random) -> str:
    """A sentence of 2 to 7 words with at least one held-out pair in it."""
    while True:
        sentence = " ".join(_any_sentence(rng))
        if has_held_out_pair(sentence):
            return sentence
