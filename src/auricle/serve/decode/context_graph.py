"""Phrases of token ids -> an automaton that a beam search walks, and the bonus of each step.

Aho and Corasick's automaton, scored as sherpa-onnx's ContextGraph. A state is the longest end of
what was said that begins a phrase; state 0 is the root. Being there is worth the scores of its
tokens: a step adds the difference, so what a phrase that breaks off had earned is taken back.

Strict, as icefall's searches and sherpa-onnx's of CTC have it: every phrase that a step completes
is worth its tokens' scores once more, which stay, and the walk goes on from there. Not strict, as
sherpa-onnx's searches of transducers have it: what the longest phrase that is complete has earned
stays, and the walk begins anew at the root.

Where phrases with different scores share their first tokens, these count by the highest of them,
whatever the order of the phrases; sherpa-onnx forgets it for the tokens behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.fusion import Floats, Ints

NO_KEY = np.iinfo(np.int64).max  # behind the last edge, so that every search ends at a key


@dataclass(frozen=True)
class _Tree:
    """The phrases' prefixes by their length, then by parent and last token.

    bounds: the states of each length are those from one bound to the next.
    keys: int64 [S - 1], parent * width + column, ascending; that of state s is keys[s - 1].
    worth: float64 [S], the scores of a state's tokens.  ends: bool [S], whether a phrase ends here.
    """

    width: int
    bounds: Sequence[int]
    keys: Ints
    worth: Floats
    ends: NDArray[np.bool_]


class ContextGraph:
    """Immutable: any number of threads may walk it."""

    def __init__(
        self,
        phrases: Sequence[Sequence[int]],
        scores: Sequence[float],
        *,
        is_strict: bool = True,
    ) -> None:
        """phrases: token ids, none of them empty.  scores: the bonus of each of their tokens."""
        assert all(phrases), "a phrase has tokens"
        flat = np.fromiter(chain.from_iterable(phrases), np.int64)
        used, columns = np.unique(flat, return_inverse=True)
        self._columns = np.zeros(used.max(initial=0) + 2, np.int64)  # by token; the last: any other
        self._columns[used] = np.arange(1, len(used) + 1)
        lens = np.array([len(phrase) for phrase in phrases], np.int64)
        tree = _grow(columns + 1, lens, np.array(scores, np.float64), len(used) + 1)
        self.num_states = tree.bounds[-1]
        self._width = tree.width
        self._keys = np.append(tree.keys, NO_KEY)
        self._first = np.zeros(tree.width, np.int64)  # where the root's edges lead, by column
        shallow = tree.keys[tree.keys < tree.width]
        self._first[shallow] = np.arange(1, len(shallow) + 1)
        self._worth = tree.worth
        self._fails = np.zeros(self.num_states, np.int64)
        self._gains, self._goes_to = self._complete(tree, is_strict=is_strict)

    def step(self, states: Ints, tokens: Ints) -> tuple[Floats, Ints]:
        """The bonus of one more token behind each hypothesis, and where they stand then.

        states, tokens: int64 [R].  Returns float64 [R], int64 [R].
        """
        columns = self._columns.take(tokens, mode="clip")
        moved = self._move(states, columns)
        return self._gains.take(moved) - self._worth.take(states), self._goes_to.take(moved)

    def finish(self, states: Ints) -> Floats:
        """What the end takes back of phrases that are not complete, float64 [R]."""
        return -self._worth[states]

    def _complete(self, tree: _Tree, *, is_strict: bool) -> tuple[Floats, Ints]:
        """What coming to each state is worth, and where a hypothesis stands then.

        Links every state to the longest shorter one on the way, for these are complete before it.
        """
        ends, stays = tree.ends.copy(), np.where(tree.ends, tree.worth, 0.0)
        for start, stop in pairwise(tree.bounds[2:]):
            parents, columns = np.divmod(tree.keys[start - 1 : stop - 1], tree.width)
            shorter = self._move(self._fails[parents], columns)
            self._fails[start:stop] = shorter
            adds = is_strict | ~ends[start:stop]
            stays[start:stop] += np.where(adds, stays[shorter], 0.0)
            ends[start:stop] |= ends[shorter]
        states = np.arange(self.num_states)
        if is_strict:
            return tree.worth + stays, states
        return np.where(ends, stays, tree.worth), np.where(ends, 0, states)

    def _move(self, states: Ints, columns: Ints) -> Ints:
        """The states behind one more token; a column of 0 is a token of no phrase."""
        moved = self._first.take(columns)
        (rows,) = (states * columns).nonzero()
        states, columns = states.take(rows), columns.take(rows)
        while rows.size:
            keys = states * self._width + columns
            places = self._keys.searchsorted(keys)
            is_edge = self._keys.take(places) == keys
            moved[rows[is_edge]] = places[is_edge] + 1
            fails = self._fails.take(states)
            fails[is_edge] = 0
            (goes_on,) = fails.nonzero()
            rows, states, columns = rows.take(goes_on), fails.take(goes_on), columns.take(goes_on)
        return moved


class HotwordScorer:
    """A batch's hotwords as a search's scorer; utterances may share a graph, or have none."""

    state_size = 1

    def __init__(self, graphs: Sequence[ContextGraph | None]) -> None:
        known = {graph: place for place, graph in enumerate(dict.fromkeys(filter(None, graphs)))}
        self._graphs = list(known)
        places = [-1 if graph is None else known[graph] for graph in graphs]
        self._places = np.array(places, np.int64)

    def start(self, num_rows: int) -> Ints:
        """As Scorer.start."""
        return np.zeros((num_rows, 1), np.int64)

    def advance(self, rows: Ints, states: Ints, tokens: Ints) -> tuple[Floats, Ints]:
        """As Scorer.advance."""
        bonus, moved = np.zeros(len(rows)), np.zeros_like(states)
        for graph, mine in self._shares(rows):
            bonus[mine], moved[mine, 0] = graph.step(states[mine, 0], tokens[mine])
        return bonus, moved

    def finish(self, rows: Ints, states: Ints) -> Floats:
        """As Scorer.finish."""
        bonus = np.zeros(len(rows))
        for graph, mine in self._shares(rows):
            bonus[mine] = graph.finish(states[mine, 0])
        return bonus

    def _shares(self, rows: Ints) -> list[tuple[ContextGraph, Ints | slice]]:
        """Each graph with its hypotheses."""
        if len(self._graphs) == 1 and self._places.min() == 0:
            return [(self._graphs[0], slice(None))]
        places = self._places.take(rows)
        return [
            (graph, np.flatnonzero(places == place)) for place, graph in enumerate(self._graphs)
        ]


def _grow(columns: Ints, lens: Ints, scores: Floats, width: int) -> _Tree:
    """columns: of all phrases, one behind the other, 1 to width - 1; lens and scores: of each."""
    starts = np.concatenate([[0], np.cumsum(lens[:-1])])[: len(lens)]
    states = np.zeros(len(lens), np.int64)  # where each phrase has come to
    alive = np.arange(len(lens))
    levels, worth, ends = [], [np.zeros(1)], [np.zeros(1, np.bool_)]
    num_states = 1
    for depth in range(int(lens.max(initial=0))):
        alive = alive[lens[alive] > depth]
        asked = states[alive] * width + columns[starts[alive] + depth]
        keys, places = np.unique(asked, return_inverse=True)
        best = np.full(len(keys), -np.inf)
        np.maximum.at(best, places, scores[alive])
        before = num_states - len(worth[-1])
        worth.append(worth[-1][keys // width - before] + best)
        ends.append(np.zeros(len(keys), np.bool_))
        ends[-1][places[lens[alive] == depth + 1]] = True
        levels.append(keys)
        states[alive] = num_states + places
        num_states += len(keys)
    bounds = list(accumulate((len(level) for level in worth), initial=0))
    return _Tree(
        width,
        bounds,
        np.concatenate([np.empty(0, np.int64), *levels]),
        np.concatenate(worth),
        np.concatenate(ends),
    )
