"""N-gram models of text: interpolated modified Kneser-Ney (Chen and Goodman 1998), as ARPA files.

    python -m training.ngram TEXT OUT.arpa[.gz] --order 3 [--min-counts 1 1 2]

TEXT has a sentence a line, its words parted by spaces; for a model of characters, part those. The
model of the demo's 96 words is made of 100,000 sentences of its grammar, with training's word pairs
only:

    python -m training.sentences 100000 sentences.txt
    python -m training.ngram sentences.txt assets/lm/words.arpa.gz --min-counts 1 30 30

More than half of those sentences are words drawn at random, of which a pair comes 14 times: pairs
of fewer than 30 tell which words the seed put together, not how the grammar does.
"""

import argparse
import gzip
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Ngram = tuple[str, ...]
BOS, EOS, UNK = "<s>", "</s>", "<unk>"
FEW_TEXTS = (0.5, 1.0, 1.5)  # discounts where counts are too few, as lmplz --discount_fallback
NEVER = -99.0  # log10 probability of <s>, which is always given


@dataclass(frozen=True)
class Entry:
    """Base-10 logarithms; backoff None for what is no context."""

    log_prob: float
    backoff: float | None


def estimate(
    sentences: Iterable[Sequence[str]], order: int = 3, min_counts: Sequence[int] = ()
) -> list[dict[Ngram, Entry]]:
    """Entries by n-gram, a dictionary for each order from 1.

    min_counts: how often n-grams of each order must be in the text to have an entry; the last one
    holds for longer ones, too, and words have one always. What the others would have goes to the
    back-off. It must not fall from an order to the next.
    """
    floors = [1, *min_counts[1:], *[max(min_counts, default=1)] * order][:order]
    if floors != sorted(floors):
        raise ValueError(f"min_counts {list(min_counts)} fall from an order to a longer one")
    raw = _count(sentences, order)
    if not raw[0]:
        raise ValueError("a text without words has no model")
    kept = [
        {each for each in whole if whole[each] >= floor}
        for whole, floor in zip(raw, floors, strict=True)
    ]
    levels = [_share(counts, keep) for counts, keep in zip(_adjust(raw), kept, strict=True)]
    lefts = [level.left for level in levels[1:]] + [{}]
    entries: list[dict[Ngram, Entry]] = []
    probs = _unigrams(levels[0])
    for n, (level, left) in enumerate(zip(levels, lefts, strict=True)):
        if n:
            probs = {
                ngram: share + level.left[ngram[:-1]] * probs[ngram[1:]]
                for ngram, share in level.shares.items()
            }
        entries.append({ngram: _entry(prob, left.get(ngram)) for ngram, prob in probs.items()})
    entries[0][BOS,] = Entry(NEVER, _entry(1.0, lefts[0].get((BOS,))).backoff)
    return entries


@dataclass(frozen=True)
class _Level:
    """One order: what n-grams have for themselves, and what their contexts leave to shorter ones.

    Both are shares of the probability of all words behind a context.
    """

    shares: dict[Ngram, float]
    left: dict[Ngram, float]


def _count(sentences: Iterable[Sequence[str]], order: int) -> list[Counter[Ngram]]:
    """How often each n-gram is in the text, the ends of sentences among the words."""
    counts: list[Counter[Ngram]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        said = (BOS, *sentence, EOS)
        for n, of_order in enumerate(counts, start=1):
            of_order.update(said[place : place + n] for place in range(len(said) - n + 1))
    return counts


def _adjust(raw: Sequence[Counter[Ngram]]) -> list[dict[Ngram, int]]:
    """Of all orders but the last: how many words an n-gram comes behind, not how often it comes."""
    adjusted: list[dict[Ngram, int]] = []
    for counts, longer in zip(raw, [*raw[1:], None], strict=True):
        behind = counts if longer is None else Counter(ngram[1:] for ngram in longer)
        # nothing comes before <s>, and no word is predicted to be it
        adjusted.append(
            {
                ngram: counts[ngram] if ngram[0] == BOS else behind[ngram]
                for ngram in counts
                if ngram != (BOS,)
            }
        )
    return adjusted


def _share(counts: Mapping[Ngram, int], kept: set[Ngram]) -> _Level:
    discounts = _discounts(counts.values())
    totals: Counter[Ngram] = Counter()
    left: defaultdict[Ngram, float] = defaultdict(float)
    for ngram, count in counts.items():
        totals[ngram[:-1]] += count
        left[ngram[:-1]] += discounts[min(count, 3) - 1] if ngram in kept else count
    shares = {
        ngram: (count - discounts[min(count, 3) - 1]) / totals[ngram[:-1]]
        for ngram, count in counts.items()
        if ngram in kept
    }
    return _Level(shares, {context: mass / totals[context] for context, mass in left.items()})


def _discounts(counts: Iterable[int]) -> tuple[float, float, float]:
    """Off counts of 1, of 2, and of 3 and more."""
    num = Counter(counts)
    if not all(num[count] for count in (1, 2, 3, 4)):
        return FEW_TEXTS
    once = num[1] / (num[1] + 2 * num[2])
    one, two, three = (k - (k + 1) * once * num[k + 1] / num[k] for k in (1, 2, 3))
    return (one, two, three) if min(one, two, three) > 0 else FEW_TEXTS


def _unigrams(level: _Level) -> dict[Ngram, float]:
    """Of all words and <unk>, which has its part of what the others leave."""
    words: list[Ngram] = [(UNK,), *level.shares]
    return {word: level.shares.get(word, 0.0) + level.left[()] / len(words) for word in words}


def _entry(prob: float, left: float | None) -> Entry:
    return Entry(math.log10(prob), None if left is None else math.log10(left))


def write_arpa(path: Path, entries: Sequence[Mapping[Ngram, Entry]]) -> None:
    """In gzip where the path ends so, the same bytes for the same entries."""
    content = "".join(line + "\n" for line in _lines(entries)).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _lines(entries: Sequence[Mapping[Ngram, Entry]]) -> Iterator[str]:
    yield "\\data\\"
    yield from (f"ngram {n}={len(of_order)}" for n, of_order in enumerate(entries, start=1))
    for n, of_order in enumerate(entries, start=1):
        yield from ("", f"\\{n}-grams:")
        for ngram, entry in sorted(of_order.items()):
            backoff = "" if entry.backoff is None else f"\t{entry.backoff:.5f}"
            yield f"{entry.log_prob:.5f}\t{' '.join(ngram)}{backoff}"
    yield from ("", "\\end\\")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", type=Path, help="a sentence a line")
    parser.add_argument("out", type=Path, help="OUT.arpa or OUT.arpa.gz")
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--min-counts", type=int, nargs="+", default=[1], metavar="COUNT")
    args = parser.parse_args()
    with args.text.open(encoding="utf-8") as lines:
        sentences = (words for words in map(str.split, lines) if words)
        write_arpa(args.out, estimate(sentences, args.order, args.min_counts))


if __name__ == "__main__":
    main()
