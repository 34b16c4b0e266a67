"""One frame of modified beam search: all hypotheses of all utterances in a few array operations.

No sum runs over hypotheses of several utterances, so that none depends on its neighbours.
"""

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
NUM_GROUPS = 16  # of labels, by whose maxima most labels are ruled out


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


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
class _Choice:
    """Pairs of hypothesis and label, by rising row and falling score; arrays [E].

    log_probs: float64, of the label.  scores: float64, of the hypothesis with it.
    """

    sources: Ints
    labels: Ints
    log_probs: Doubles
    scores: Doubles

    def take(self, chosen: Ints) -> "_Choice":
        return _Choice(*(array[chosen] for array in vars(self).values()))


def concatenate(parts: Sequence[Live]) -> Live:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Live(*(np.concatenate(column) for column in columns))


def hash_contexts(rows: Ints, contexts: Ints) -> Keys:
    """Keys [E] of the rows [E] with the contexts [E, context_size]."""
    keys = rows.astype(np.uint64)
    for column in contexts.T:
        keys = keys * KEY_FACTOR + (column + 2).astype(np.uint64)
    return keys


@dataclass(frozen=True)
class Step:
    """owners: int64 [N], the number of each row's utterance, as the scorer counts them."""

    networks: Networks
    rules: Rules
    owners: Ints
    history: History

    def __call__(self, live: Live, frame: Floats, times: Ints) -> Live:
        """Behind one frame of A utterances: encoder_out [A, J], its number in each [A]."""
        choice = self._choose(live, frame)
        scores, states = choice.scores.copy(), live.states[choice.sources]
        keys, rows = live.keys[choice.sources], live.rows[choice.sources]
        new = np.flatnonzero(is_token(choice.labels, self.rules.options))
        tokens = choice.labels[new]
        keys[new] = keys[new] * KEY_FACTOR + (tokens + 1).astype(np.uint64)
        if self.networks.scorer:
            added, states[new] = self.networks.scorer.advance(
                self.owners[rows[new]], states[new], tokens
            )
            scores[new] += added
        kept = _merge(scores, keys + rows.astype(np.uint64) * ROW_FACTOR)
        moved = live.take(choice.sources[kept])
        moved.scores[:], moved.keys[:], moved.states[:] = scores[kept], keys[kept], states[kept]
        self._extend(moved, choice.take(kept), times)
        return moved

    def _choose(self, live: Live, frame: Floats) -> _Choice:
        """The best of each utterance, in the order of their scores."""
        logits, log_sums, places = self._score(live, frame)
        lowest = _bound(live, logits, log_sums, places, self.rules.beam)
        sources, labels = np.nonzero(logits[places] >= lowest[:, None])
        place, rows = places[sources], live.rows[sources]
        log_probs = logits[place, labels] - log_sums[place]
        scores = live.scores[sources] + log_probs
        order = np.lexsort((-scores, rows))
        ranked = rows[order]
        rank = np.arange(len(order)) - np.searchsorted(ranked, ranked)
        best = order[rank < self.rules.beam]
        return _Choice(sources[best], labels[best], log_probs[best], scores[best])

    def _score(self, live: Live, frame: Floats) -> tuple[Floats, Doubles, Ints]:
        """What the joiner says of each utterance's contexts, of which some hypotheses share one.

        Returns logits [P, V], the logarithms of their sums [P], and the place of each hypothesis's
        context among them [R].
        """
        first = _first_equals(live.context_keys)
        distinct = np.flatnonzero(first == np.arange(len(first)))
        places = np.searchsorted(distinct, first)
        logits = self.networks.joiner(frame[live.rows[distinct]], live.decoder_out[distinct])
        if self.rules.blank_penalty:
            logits = logits.copy()
            logits[:, self.rules.options.blank_id] -= np.float32(self.rules.blank_penalty)
        peaks = logits.max(axis=1, keepdims=True)
        sums = np.exp(logits - peaks).sum(axis=1)
        return logits, np.log(sums.astype(np.float64)) + peaks[:, 0], places

    def _extend(self, moved: Live, choice: _Choice, times: Ints) -> None:
        """Put the tokens of the choice behind the hypotheses that it was made for."""
        new = np.flatnonzero(is_token(choice.labels, self.rules.options))
        if not new.size:
            return
        rows, tokens = moved.rows[new], choice.labels[new]
        log_probs = choice.log_probs[new].astype(np.float32)
        moved.nodes[new] = self.history.add(moved.nodes[new], tokens, times[rows], log_probs)
        contexts = np.concatenate([moved.contexts[new, 1:], tokens[:, None]], axis=1)
        moved.contexts[new] = contexts
        moved.context_keys[new] = hash_contexts(rows, contexts)
        moved.decoder_out[new] = self.networks.decoder(contexts)


def _bound(live: Live, logits: Floats, log_sums: Doubles, places: Ints, beam: int) -> Floats:
    """A logit [R] that every label reaches which may be among the utterance's best `beam`.

    The B-th best of all labels is no worse than the B-th best of maxima over groups of labels.
    """
    num_rows, width = int(live.rows[-1]) + 1, min(logits.shape[1], NUM_GROUPS)
    whole = logits.shape[1] // width * width
    groups = logits[:, :whole].reshape(len(logits), -1, width).max(axis=1)
    offsets = live.scores - log_sums[places]
    slots = np.arange(len(live.rows)) - np.searchsorted(live.rows, live.rows)
    maxima = np.full((num_rows, beam, width), -np.inf)
    maxima[live.rows, slots] = offsets[:, None] + groups[places]
    lowest = np.partition(maxima.reshape(num_rows, -1), -beam, axis=1)[:, -beam]
    # float64 rounds on the way, and then float32
    reached = (lowest[live.rows] - offsets - 1e-6).astype(np.float32)
    return np.nextafter(reached, np.float32(-np.inf))


def _merge(scores: Doubles, keys: Keys) -> Ints:
    """Add to the first of equal keys the probabilities of the others; returns those that stay."""
    first = _first_equals(keys)
    number = np.arange(len(first))
    again = np.flatnonzero(first != number)
    np.logaddexp.at(scores, first[again], scores[again])
    return np.flatnonzero(first == number)


def _first_equals(keys: Keys) -> Ints:
    """For each key, the place of the first that is equal."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    starts = np.concatenate([[True], ranked[1:] != ranked[:-1]])
    first = np.empty_like(order)
    first[order] = order[starts][np.cumsum(starts) - 1]
    return first
