"""Back-off n-gram models as automata, walked by whole batches.

A state is the longest end of the history that the model knows as a context: one integer. Takes
parsed n-grams, gives natural logarithms; knows no files and no tokens of any network.

A word that the state does not know is looked for behind the state's own longest end that is a
context, at the price of the state's back-off, and so on down to the empty context, which knows
every word.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Keys = NDArray[np.uint64]

ROOT = 0  # the state of the empty context
# xorshift and multiply, one to one: https://nullprogram.com/blog/2018/07/31/
MIX_SHIFT = np.uint64(32)
MIX_FACTORS = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xCA9B0C7EBA1DA115)
LAST_KEY = np.uint64(2**64 - 1)  # behind all others, so that no search runs off the end
UNKNOWN_LOG_PROB = -100 * np.log(10)  # of <unk> where a model has none, as KenLM


class KeyIndex:
    """Where distinct keys are: their mixed values, sorted, and where each share of them begins.

    About as many shares as keys: most hold one or none.
    """

    def __init__(self, mixed: Keys) -> None:
        self._mixed = np.append(mixed, LAST_KEY)
        bits = max(len(mixed).bit_length(), 1)
        self._shift = np.uint64(64 - bits)
        shares = np.arange(2**bits, dtype=np.uint64) << self._shift
        self._first = np.searchsorted(mixed, shares).astype(np.int32)

    @classmethod
    def sort(cls, keys: Ints) -> "tuple[KeyIndex, Ints]":
        """keys: int64 [C], distinct.  Returns the index and the keys' order in its slots."""
        mixed = _mix(keys)
        order: Ints = np.argsort(mixed)
        return cls(mixed[order]), order

    def find(self, keys: Ints) -> tuple[Ints, Bools]:
        """The slot of each key int64 [R], and whether it has one."""
        mixed = _mix(keys)
        slots: Ints = self._first.take((mixed >> self._shift).astype(np.int64)).astype(np.int64)
        there = self._mixed.take(slots)
        (behind,) = (there < mixed).nonzero()
        while behind.size:
            slots[behind] += 1
            there[behind] = self._mixed.take(slots.take(behind))
            behind = behind[there.take(behind) < mixed.take(behind)]
        return slots, there == mixed


def _mix(keys: Ints) -> Keys:
    mixed = keys.view(np.uint64) * MIX_FACTORS[0]
    mixed ^= mixed >> MIX_SHIFT
    mixed *= MIX_FACTORS[1]
    return mixed


@dataclass(frozen=True)
class Ngrams:
    """All n-grams of one order.

    words: int32 [C, n].  log_probs, backoffs: float32 [C], natural; a missing back-off is 0.
    """

    words: NDArray[np.int32]
    log_probs: NDArray[np.float32]
    backoffs: NDArray[np.float32]


class NgramModel:
    """vocabulary: [V], the words by their ids.  orders: of unigrams, all V of them, and up.

    words: the vocabulary, and <unk> if it has none.  unk_id: the word that stands for all that are
    not there, at the probability that the model has for <unk>, or else at 10^-100.  start: the
    state behind <s>.
    """

    def __init__(self, vocabulary: Sequence[str], orders: Sequence[Ngrams]) -> None:
        self.words = list(vocabulary)
        self.order = len(orders)
        unknown = [place for place, word in enumerate(self.words) if word in ("<unk>", "<UNK>")]
        self.unk_id = unknown[0] if unknown else len(self.words)
        first = orders[0]
        if not unknown:
            self.words.append("<unk>")
            first = _with_unknown(first, self.unk_id)
        self._end_id = self.words.index("</s>")
        automaton = _Automaton(first, orders[1:])
        self._automaton = automaton
        self.start = int(automaton.first_to[self.words.index("<s>")])

    def score(self, states: Ints, words: Ints) -> tuple[Floats, Ints]:
        """Log-probabilities of words [R] behind states [R], and the states behind those."""
        return self._automaton.score(states, words)

    def end(self, states: Ints) -> Floats:
        """Log-probabilities that the text ends behind states [R]."""
        return self.score(states, np.full(len(states), self._end_id))[0]


def _with_unknown(unigrams: Ngrams, unk_id: int) -> Ngrams:
    return Ngrams(
        np.append(unigrams.words, np.array([[unk_id]], np.int32), axis=0),
        np.append(unigrams.log_probs, np.float32(UNKNOWN_LOG_PROB)),
        np.append(unigrams.backoffs, np.float32(0)),
    )


class _Automaton:
    """first_log_probs, first_to: [V], of words behind ROOT.  log_probs, to: [C], of the arcs.

    An arc is an n-gram: from the state of all its words but the last, by the last, to the longest
    end of it that is a state. Its key is state * V + word.
    """

    def __init__(self, first: Ngrams, longer: Sequence[Ngrams]) -> None:
        ids = first.words[:, 0]
        self.num_words = len(ids)
        self.first_log_probs, self.first_to = np.empty(len(ids)), np.zeros(len(ids), np.int64)
        self.first_log_probs[ids] = first.log_probs
        self.ends = np.zeros(1, np.int32)  # of each state, its longest end that is a state
        self.backoffs = np.zeros(1, np.float32)
        self._keys = np.empty(0, np.int64)
        self._log_probs, self._to = np.empty(0, np.float32), np.empty(0, np.int32)
        self._sort()
        backoffs = np.empty(len(ids), np.float32)
        backoffs[ids] = first.backoffs
        self._add_orders(longer, backoffs)
        del self._keys

    def _add_orders(self, longer: Sequence[Ngrams], backoffs: NDArray[np.float32]) -> None:
        """backoffs: [V], of the words.  The arcs so far are a model that the next ones need."""
        nodes = [each.words[:, 0].astype(np.int64) for each in longer]
        to = self.first_to = self._add_states(nodes, backoffs, self.first_to)
        for place, ngrams in enumerate(longer):
            froms = [to.take(each) for each in nodes]
            words = [each.words[:, place + 1] for each in longer[place:]]
            keys = [f * self.num_words + w for f, w in zip(froms, words, strict=True)]
            to, nodes = self._add_order(ngrams, keys)

    def _add_order(self, ngrams: Ngrams, keys: Sequence[Ints]) -> tuple[Ints, list[Ints]]:
        """keys: of the n-grams, and of the beginnings of all longer ones, which are n-grams, too.

        Returns the state that each arc of this order leads to, and the arcs of the keys.
        """
        arcs = np.unique(np.concatenate(keys))
        nodes: list[Ints] = [np.searchsorted(arcs, each) for each in keys]
        states, words = np.divmod(arcs, self.num_words)
        scores, ends = self.score(self.ends.take(states).astype(np.int64), words)
        log_probs = (scores + self.backoffs.take(states)).astype(np.float32)
        log_probs[nodes[0]] = ngrams.log_probs
        backoffs = np.zeros(len(arcs), np.float32)
        backoffs[nodes[0]] = ngrams.backoffs
        to = self._add_states(nodes[1:], backoffs, ends)
        self._keys = np.append(self._keys, arcs)
        self._log_probs = np.append(self._log_probs, log_probs)
        self._to = np.append(self._to, to.astype(np.int32))
        self._sort()
        return to, nodes[1:]

    def _sort(self) -> None:
        self._arcs, order = KeyIndex.sort(self._keys)
        self._keys, self._log_probs = self._keys[order], self._log_probs[order]
        self._to = self._to[order]

    def _add_states(
        self, beginnings: Sequence[Ints], backoffs: NDArray[np.float32], ends: Ints
    ) -> Ints:
        """States for the n-grams that another begins with or that have a back-off.

        ends: the state that stands for each of the others. Returns the state of each n-gram.
        """
        is_state = (backoffs != 0) if beginnings else np.zeros(len(backoffs), np.bool_)
        for each in beginnings:
            is_state[each] = True
        to = ends.copy()
        to[is_state] = len(self.ends) + np.arange(np.count_nonzero(is_state))
        self.ends = np.append(self.ends, ends[is_state].astype(np.int32))
        self.backoffs = np.append(self.backoffs, backoffs[is_state])
        return to

    def score(self, states: Ints, words: Ints) -> tuple[Floats, Ints]:
        """As NgramModel.score."""
        scores, moved = self.first_log_probs.take(words), self.first_to.take(words)
        paid = np.zeros(len(states))
        (rows,) = states.nonzero()
        states, words = states.take(rows), words.take(rows)
        while rows.size:
            slots, is_known = self._arcs.find(states * self.num_words + words)
            known, slots = rows[is_known], slots[is_known]
            scores[known], moved[known] = self._log_probs.take(slots), self._to.take(slots)
            (missed,) = (~is_known).nonzero()
            rows, states, words = rows.take(missed), states.take(missed), words.take(missed)
            paid[rows] += self.backoffs.take(states)
            states = self.ends.take(states).astype(np.int64)
            (left,) = states.nonzero()
            rows, states, words = rows.take(left), states.take(left), words.take(left)
        scores += paid
        return scores, moved
