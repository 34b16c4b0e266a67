"""Speech that nobody said: a language by its n-grams, texts in it, and what CTC would make of them.

All from one seed. Every piece of the vocabulary has four letters, so that a text is spelled in one
way, and every other one begins a word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

BLANK_ID, UNK_ID = 0, 1
SPECIALS = ["<blk>", "<unk>"]
NUM_WORDS, NUM_SUCCESSORS = 20_000, 50
ORDER = 4
SENTENCE_WORDS = 12
UNKNOWN = -7.0  # log10 probability of <unk>, the first word
FLOOR = (
    -20.7
)  # logarithm of what tokens get that no one thinks of: the 20th is at -17, as the demo has it
SPIKES = 0.2  # of the frames


def make_symbols(vocab_size: int) -> list[str]:
    syllables = [consonant + vowel for consonant in "bcdfghjklmnpqrstvwxyz" for vowel in "aeiou"]
    pieces = [a + b for a in syllables for b in syllables][: vocab_size - len(SPECIALS)]
    return SPECIALS + [("▁" if place % 2 else "") + piece for place, piece in enumerate(pieces)]


class Language:
    """Words of one to three pieces, each followed by some others, a few of them often."""

    def __init__(self, symbols: Sequence[str], seed: int) -> None:
        self.symbols = symbols
        self._rng = rng = np.random.default_rng(seed)
        ids = range(len(SPECIALS), len(symbols))
        begins = [each for each in ids if symbols[each].startswith("▁")]
        inner = [each for each in ids if not symbols[each].startswith("▁")]
        lens = rng.choice(3, NUM_WORDS, p=[0.3, 0.4, 0.3])
        drawn = [
            (int(rng.choice(begins)), *rng.choice(inner, size).tolist()) for size in lens.tolist()
        ]
        self.words = list(dict.fromkeys(drawn))
        self._followers = rng.integers(len(self.words), size=(len(self.words), NUM_SUCCESSORS))

    def say(self, num_words: int) -> list[int]:
        """Ids of words in a row."""
        word, text = int(self._rng.integers(len(self.words))), []
        for share in self._rng.random(num_words).tolist():
            text.append(word)
            word = int(self._followers[word, int(NUM_SUCCESSORS * share**2)])
        return text

    def tokens(self, text: Sequence[int]) -> list[int]:
        return [token for word in text for token in self.words[word]]

    def spell(self, tokens: Sequence[int]) -> str:
        return "".join(self.symbols[each] for each in tokens).replace("▁", " ").strip()

    def sentences(self, num_words: int, *, of_tokens: bool) -> Iterator[list[str]]:
        for _ in range(num_words // SENTENCE_WORDS):
            tokens = self.tokens(self.say(SENTENCE_WORDS))
            yield (
                [self.symbols[each] for each in tokens] if of_tokens else self.spell(tokens).split()
            )


def write_arpa(path: Path, sentences: Iterator[list[str]], seed: int) -> int:
    """Every n-gram of some sentences, at random probabilities; returns how many there are."""
    orders: list[dict[tuple[str, ...], None]] = [
        {("<unk>",): None},
        *({} for _ in range(ORDER - 1)),
    ]
    for sentence in sentences:
        said = ("<s>", *sentence, "</s>")
        for n, found in enumerate(orders, start=1):
            found.update(dict.fromkeys(said[i : i + n] for i in range(len(said) - n + 1)))
    rng = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8") as file:
        counts = "".join(f"ngram {n}={len(found)}\n" for n, found in enumerate(orders, start=1))
        file.write(f"\\data\\\n{counts}")
        for n, found in enumerate(orders, start=1):
            file.write(f"\n\\{n}-grams:\n")
            # the longer the context, the better it knows; logarithms of base 10
            log_probs = -(ORDER + 1 - n) * rng.uniform(0.4, 1.2, len(found))
            log_probs[:1] = UNKNOWN if n == 1 else log_probs[:1]
            backoffs = -rng.uniform(0.1, 0.6, len(found))
            for ngram, log_prob, backoff in zip(found, log_probs, backoffs, strict=True):
                is_context = n < ORDER and ngram[-1] != "</s>"
                tail = f"\t{backoff:.5f}" if is_context else ""
                file.write(f"{log_prob:.5f}\t{' '.join(ngram)}{tail}\n")
        file.write("\n\\end\\\n")
    return sum(map(len, orders))


def draw_log_probs(tokens: Sequence[int], num_frames: int, vocab_size: int, seed: int) -> Floats:
    """[T, V]: one spike a token, with one to four competitors; blank at 0.99 and more elsewhere."""
    rng = np.random.default_rng(seed)
    frames = np.sort(rng.choice(num_frames // 2, len(tokens), replace=False)) * 2
    probs = np.exp(FLOOR + rng.normal(0, 1.5, (num_frames, vocab_size)))
    ids = np.arange(len(SPECIALS), vocab_size)
    for frame in range(num_frames):  # silence: a thousandth or less to a few tokens
        few = rng.choice(ids, 3)
        probs[frame, few] += 10.0 ** -rng.uniform(2.5, 6, 3)
    probs[:, BLANK_ID] = 1.0
    for frame, token in zip(frames, tokens, strict=True):
        rivals = rng.choice(ids, int(rng.integers(1, 5)))
        probs[frame, rivals] += rng.dirichlet(np.ones(len(rivals))) * rng.beta(1, 3)
        probs[frame, BLANK_ID] = 0.3 * rng.beta(1, 4)
        probs[frame, token] += rng.beta(5, 2)
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True))
    return log_probs.astype(np.float32)


@dataclass(frozen=True)
class Speech:
    """log_probs: [N, T, V] of utterances of one length.  texts: of what was said, token ids."""

    symbols: Sequence[str]
    log_probs: Floats
    texts: list[list[int]]


def make_speech(language: Language, count: int, num_frames: int, seed: int) -> Speech:
    vocab_size, num_tokens = len(language.symbols), int(SPIKES * num_frames)
    texts = [language.tokens(language.say(num_tokens))[:num_tokens] for _ in range(count)]
    drawn = [
        draw_log_probs(text, num_frames, vocab_size, seed + number)
        for number, text in enumerate(texts)
    ]
    return Speech(language.symbols, np.stack(drawn), texts)


def draw_phrases(speech: Speech, count: int, seed: int) -> list[tuple[int, ...]]:
    """Hotwords of 3 to 6 tokens: one in ten is of what is said, the others begin as it does."""
    rng = np.random.default_rng(seed)
    phrases: dict[tuple[int, ...], None] = {}
    while len(phrases) < count:
        text = speech.texts[int(rng.integers(len(speech.texts)))]
        size = int(rng.integers(3, 7))
        start = int(rng.integers(len(text) - size))
        phrase = text[start : start + size]
        if rng.random() < 0.9:
            drawn = rng.integers(len(SPECIALS) + 1, len(speech.symbols), size)
            phrase = [phrase[0], *drawn[1:].tolist()] if rng.random() < 0.1 else drawn.tolist()
        phrases[tuple(phrase)] = None
    return list(phrases)
