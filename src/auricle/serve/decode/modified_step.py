"""One frame of modified beam search: all hypotheses of all utterances in a few array operations.

No sum runs over hypotheses of several utterances, so that none depends on its neighbours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.fusion import Scorer
from auricle.serve.decode.token_history import History
from auricle.serve.decode.transducer import Decoder, Floats, Ints, Joiner, Options, is_token

Doubles = NDArray[np.float64]
Keys = NDArray[np.uint64]

# Keys are 64-bit polynomials of tokens: two sequences share one by a chance of about 2^-64.
EMPTY = np.uint64(0x9E3779B97F4A7C15)
KEY_FACTOR = np.uint64(0xD1342543DE82EF95)
ROW_FACTOR = np.uint64(0x2545F4914F6CDD1D)
NUM_GROUPS = 4  # of labels, by whose maxima most labels are ruled out
FLOOR = -1e30  # below every score, and above the -inf of what cannot be


@dataclass(frozen=True)
class Networks:
    decoder: Decoder
    joiner: Joiner
    scorer: Scorer | None


@dataclass(frozen=True)
class Rules:
    """beam: hypotheses of an utterance, at most.  blank_penalty: what lowers blank's logit."""

    options: Options
    beam: int
    blank_penalty: float


@dataclass(eq=False)
class Live:
    """R hypotheses, by rising row; arrays [R, ...].

    rows: int64, the utterance of each.  scores: float64, natural logarithm.  keys: of its tokens.
    nodes: of the history.  contexts: int64 [R, context_size].  context_keys: of row and context.
    decoder_out: float32 [R, J], of the context.  states: int64 [R, S], of the scorer.
    """

    rows: Ints
    scores: Doubles
    keys: Keys
    nodes: Ints
    contexts: Ints
    context_keys: Keys
    decoder_out: Floats
    states: Ints

    def take(self, chosen: Ints | slice) -> "Live":
        return Live(*(array[chosen] for array in vars(self).values()))


def concatenate(parts: Sequence[Live]) -> Live:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Live(*(np.concatenate(column) for column in columns))


def hash_contexts(rows: Ints, contexts: Ints) -> Keys:
    """Keys [E] of the rows [E] with the contexts [E, context_size]."""
    keys: Keys = rows.view(np.uint64)
    for column in contexts.view(np.uint64).T:  # -1 is 2^64 - 1
        keys = keys * KEY_FACTOR + column
    return keys


@dataclass(eq=False)
class _Pairs:
    """Hypotheses with a label each, by rising row and falling score; arrays [E].

    log_probs: float64, of the label.  scores: float64, of both.
    """

    rows: Ints
    sources: Ints
    labels: Ints
    log_probs: Doubles
    scores: Doubles


@dataclass(frozen=True, eq=False)
class _Labels:
    """What the joiner says of P contexts.

    logits: float32 [P, V].  log_sums: float64 [P], logarithm of the sum of their exponentials.
    maxima: float32 [P, G], of groups of labels.
    """

    logits: Floats
    log_sums: Doubles
    maxima: Floats

    @classmethod
    def of(cls, logits: Floats, blank_id: int) -> "_Labels":
        """Where the network says what is no number, blank is certain."""
        labels = cls._of(logits)
        if math.isfinite(labels.log_sums.sum()):
            return labels
        is_number = np.isfinite(labels.log_sums)[:, None]
        blank = np.where(np.arange(logits.shape[1]) == blank_id, 0, -np.inf)
        return cls._of(np.where(is_number, logits, blank.astype(np.float32)))

    @classmethod
    def _of(cls, logits: Floats) -> "_Labels":
        num_groups = min(NUM_GROUPS, logits.shape[1])
        starts = np.arange(num_groups) * logits.shape[1] // num_groups
        maxima = np.maximum.reduceat(logits, starts, axis=1)
        peaks = maxima.max(axis=1)
        below = logits - peaks[:, None]
        sums = np.exp(below, out=below).sum(axis=1)
        return cls(logits, np.log(sums.astype(np.float64)) + peaks, maxima)


@dataclass(frozen=True)
class Step:
    """owners: int64 [N], the number of each row's utterance as the caller counts them."""

    networks: Networks
    rules: Rules
    owners: Ints
    history: History

    def __call__(self, live: Live, frame: Floats, times: Ints) -> Live:
        """Behind one frame: encoder_out [N, J] as the caller counts, its number [N] by row."""
        best = self._choose(live, frame)
        is_new = is_token(best.labels, self.rules.options)
        new = is_new.nonzero()[0]
        keys, states = live.keys[best.sources], live.states[best.sources]
        keys[new] = keys[new] * KEY_FACTOR + best.labels[new].view(np.uint64)
        if self.networks.scorer and new.size:
            owners, tokens = self.owners[best.rows[new]], best.labels[new]
            added, states[new] = self.networks.scorer.advance(owners, states[new], tokens)
            best.scores[new] += added
        kept = merge(best.scores, keys + best.rows.view(np.uint64) * ROW_FACTOR)
        sources = best.sources[kept]
        moved = Live(
            rows=best.rows[kept],
            scores=best.scores[kept],
            keys=keys[kept],
            nodes=live.nodes[sources],
            contexts=live.contexts[sources],
            context_keys=live.context_keys[sources],
            decoder_out=live.decoder_out[sources],
            states=states[kept],
        )
        new = is_new[kept].nonzero()[0]
        if new.size:
            said = kept[new]
            self._extend(moved, new, best.labels[said], best.log_probs[said], times)
        return moved

    def _choose(self, live: Live, frame: Floats) -> _Pairs:
        """The best of each utterance."""
        heard, places = self._ask_joiner(live, frame)
        logits = heard.logits[places]  # [P, V] -> [R, V]
        log_sums = heard.log_sums[places]
        lowest = _bound(live.rows, heard.maxima[places], live.scores - log_sums, self.rules.beam)
        reached = (logits >= lowest[:, None]).ravel().nonzero()[0]
        sources = reached // logits.shape[1]
        labels = reached - sources * logits.shape[1]
        rows = live.rows[sources]
        log_probs = logits.ravel()[reached] - log_sums[sources]
        scores = live.scores[sources] + log_probs
        order = np.lexsort((-scores, rows))
        ranked = rows[order]
        rank = np.arange(len(order)) - ranked.searchsorted(ranked)
        best = order[rank < self.rules.beam]
        return _Pairs(rows[best], sources[best], labels[best], log_probs[best], scores[best])

    def _ask_joiner(self, live: Live, frame: Floats) -> tuple[_Labels, Ints]:
        """Of each utterance's contexts, and which of them is each hypothesis's [R]: some share."""
        first = _first_equals(live.context_keys)
        distinct = (first == np.arange(len(first))).nonzero()[0]
        owners = self.owners[live.rows[distinct]]
        logits = self.networks.joiner(frame[owners], live.decoder_out[distinct])
        blank_id = self.rules.options.blank_id
        if self.rules.blank_penalty:
            logits = logits.copy()
            logits[:, blank_id] -= np.float32(self.rules.blank_penalty)
        return _Labels.of(logits, blank_id), distinct.searchsorted(first)

    def _extend(
        self, moved: Live, new: Ints, tokens: Ints, log_probs: Doubles, times: Ints
    ) -> None:
        """Put tokens [E] behind the hypotheses with the numbers new [E]."""
        rows = moved.rows[new]
        nodes = self.history.add(moved.nodes[new], tokens, times[rows], log_probs)
        contexts = np.concatenate([moved.contexts[new, 1:], tokens[:, None]], axis=1)
        moved.nodes[new], moved.contexts[new] = nodes, contexts
        moved.context_keys[new] = hash_contexts(rows, contexts)
        moved.decoder_out[new] = self.networks.decoder(contexts)


def _bound(rows: Ints, maxima: Floats, offsets: Doubles, beam: int) -> Floats:
    """A logit [R] that every label reaches which may be among the utterance's best `beam`.

    The B-th best of all labels is no worse than the B-th best of maxima [R, G] over groups of them.
    """
    num_rows, num_groups = int(rows[-1]) + 1, maxima.shape[1]
    best = np.full((num_rows, beam, num_groups), FLOOR)
    best[rows, np.arange(len(rows)) - rows.searchsorted(rows)] = maxima + offsets[:, None]
    best = best.reshape(num_rows, -1)
    best.partition(-beam, axis=1)
    # float64 rounds on the way, and then float32
    rounded = (best[rows, -beam] - offsets - 1e-6).astype(np.float32)
    lowest: Floats = np.nextafter(rounded, np.float32(-np.inf))
    return lowest


def merge(scores: Doubles, keys: Keys) -> Ints:
    """Add to the first of equal keys the probabilities of the others; returns those that stay."""
    first = _first_equals(keys)
    number = np.arange(len(first))
    again = (first != number).nonzero()[0]
    np.logaddexp.at(scores, first[again], scores[again])
    kept: Ints = (first == number).nonzero()[0]
    return kept


def _first_equals(keys: Keys) -> Ints:
    """For each key, the place of the first that is equal; so few are quicker in a dictionary."""
    seen: dict[int, int] = {}
    return np.array([seen.setdefault(key, place) for place, key in enumerate(keys.tolist())])
