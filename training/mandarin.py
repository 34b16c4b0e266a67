"""The Mandarin vocabulary, sentences, and the character pairs that training never sees.

Every character has one reading, and no two share a syllable even when tones are ignored: without
a language model nothing could tell them apart. Text has no spaces; a token is a character.
"""

import itertools
import random

from training.words import is_held_out

DIGITS = "零一二三四五六七八九十"
COLOURS = "红黄蓝绿白黑灰紫"
VERBS = "开关停走看找"
OBJECTS = "灯门窗车水书花茶"
DIRECTIONS = "上下左右前后东南西北"
GLUE = "请去到从快慢"
CITIES = ("北京", "上海", "广州", "西安", "香港", "台北")
COMMANDS = ("打开", "关上", "播放", "停止")
UNITS = ("度", "米", "点", "分钟")
DAY = "明天"
WORDS = frozenset((*CITIES, *COMMANDS, *UNITS, DAY))
SINGLE = DIGITS + COLOURS + VERBS + OBJECTS + DIRECTIONS + GLUE
CHARACTERS = "".join(dict.fromkeys(SINGLE + "".join((*CITIES, *COMMANDS, *UNITS, DAY))))

SENTENCE_LENGTHS = (1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8)


def is_mandarin(text: str) -> bool:
    return bool(text) and not text.isascii()


def has_held_out_pair(sentence: str) -> bool:
    """Whether two neighbours, not of one word, are among the pairs kept from training."""
    return any(is_held_out(a, b) and a + b not in WORDS for a, b in itertools.pairwise(sentence))


def _command(rng: random.Random) -> str:
    verb = rng.choice((*COMMANDS, *VERBS))
    ending = rng.choice(("", rng.choice(DIRECTIONS), rng.choice(GLUE[-2:])))
    return verb + rng.choice(COLOURS) + rng.choice(OBJECTS) + ending


def _journey(rng: random.Random) -> str:
    day = rng.choice(("", DAY, "请"))
    return f"{day}从{rng.choice(CITIES)}{rng.choice('去到')}{rng.choice(CITIES)}"


def _measure(rng: random.Random) -> str:
    number = "".join(rng.choice(DIGITS) for _ in range(rng.randint(1, 3)))
    return rng.choice(("", rng.choice(DIRECTIONS), DAY)) + number + rng.choice(UNITS)


def _any_sentence(rng: random.Random) -> str:
    length = rng.choice(SENTENCE_LENGTHS)
    kind = rng.random()
    if kind < 0.5:
        return "".join(rng.choice(SINGLE) for _ in range(length))
    if kind < 0.65:
        return "".join(rng.choice(DIGITS) for _ in range(length))
    return rng.choice((_command, _journey, _measure))(rng)


def training_sentence(rng: random.Random) -> str:
    """A sentence of 1 to 8 characters, rarely more, with no held-out pair in it."""
    while True:
        sentence = _any_sentence(rng)
        if not has_held_out_pair(sentence):
            return sentence


def held_out_sentence(rng: random.Random) -> str:
    """A sentence with at least one held-out pair in it."""
    while True:
        sentence = _any_sentence(rng)
        if has_held_out_pair(sentence):
            return sentence
