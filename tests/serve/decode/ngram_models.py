"""Random back-off models, and the probabilities that the ARPA format's definition gives them."""

import math
import random
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from auricle.serve.decode.ngrams import NgramModel, Ngrams

Words = tuple[str, ...]
BOS, EOS, UNK = "<s>", "</s>", "<unk>"


@dataclass(frozen=True)
class Reference:
    """N-grams to log-probabilities and back-offs, natural logarithms."""

    log_probs: dict[Words, float]
    backoffs: dict[Words, float]
    order: int

    def score(self, history: Words, word: str) -> float:
        """log p(word | history), as the format defines it: long matches first."""
        word = word if (word,) in self.log_probs else UNK
        context = tuple(each if (each,) in self.log_probs else UNK for each in history)
        context = context[len(context) - min(len(context), self.order - 1) :]
        ngram = (*context, word)
        if ngram in self.log_probs:
            return self.log_probs[ngram]
        if not context:
            return -100 * math.log(10)
        return self.backoffs.get(context, 0.0) + self.score(context[1:], word)

    def text(self, words: Words) -> float:
        """Of a whole text, its end included."""
        said = (BOS, *words)
        within = sum(self.score(said[: i + 1], word) for i, word in enumerate(words))
        return within + self.score(said, EOS)


def draw(
    rng: random.Random,
    words: Words,
    order: int,
    *,
    has_unk: bool = True,
    has_contexts: bool = False,
) -> Reference:
    """N-grams of random texts; some lack the shorter ones that they end with.

    has_contexts: whether those are there that they begin with.
    """
    vocabulary = [BOS, EOS, *words, *([UNK] if has_unk else [])]
    kept: set[Words] = {(word,) for word in vocabulary}
    for _ in range(rng.randint(0, 30)):
        said = (BOS, *rng.choices([*words, *([UNK] if has_unk else [])], k=rng.randint(1, 6)), EOS)
        n = rng.randint(1, order)
        kept |= {said[i : i + n] for i in range(len(said) - n + 1)}
    if has_contexts:
        kept |= {ngram[:n] for ngram in kept for n in range(1, len(ngram))}
    log_probs = {ngram: -rng.uniform(0.6, 9) for ngram in sorted(kept)}
    # no sum of them is above 0: KenLM would flip its sign
    contexts = [each for each in log_probs if len(each) < order and each[-1] != EOS]
    backoffs = {each: rng.uniform(-3, 0.1) for each in contexts if rng.random() < 0.7}
    return Reference(log_probs, backoffs, order)


def build(reference: Reference) -> NgramModel:
    vocabulary = [ngram[0] for ngram in reference.log_probs if len(ngram) == 1]
    ids = {word: place for place, word in enumerate(vocabulary)}
    by_order: dict[int, list[Words]] = defaultdict(list)
    for ngram in reference.log_probs:
        by_order[len(ngram)].append(ngram)
    return NgramModel(
        vocabulary,
        [
            Ngrams(
                np.array([[ids[w] for w in g] for g in by_order[n]], np.int32).reshape(-1, n),
                np.array([reference.log_probs[g] for g in by_order[n]], np.float32),
                np.array([reference.backoffs.get(g, 0.0) for g in by_order[n]], np.float32),
            )
            for n in range(1, reference.order + 1)
        ],
    )


def to_arpa(reference: Reference) -> str:
    """The model as a file has it: base 10, and no back-off where there is none."""
    ngrams = reference.log_probs
    lines = ["\\data\\"]
    orders = range(1, reference.order + 1)
    lines += [f"ngram {n}={sum(len(each) == n for each in ngrams)}" for n in orders]
    for n in orders:
        lines += ["", f"\\{n}-grams:"]
        for ngram in (each for each in ngrams if len(each) == n):
            columns = [f"{ngrams[ngram] / math.log(10):.7f}", " ".join(ngram)]
            if ngram in reference.backoffs:
                columns.append(f"{reference.backoffs[ngram] / math.log(10):.7f}")
            lines.append("\t".join(columns))
    return "\n".join([*lines, "", "\\end\\", ""])
