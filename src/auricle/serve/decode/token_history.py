"""What hypotheses of a window are made of: a tree of dated tokens that every frame extends."""

import numpy as np
from numpy.typing import NDArray

from auricle.serve.decode.hypothesis import Hypothesis

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


class History:
    """Every extension of a hypothesis by a token, as a node that knows its parent.

    roots: the hypotheses that the window begins with; theirs are the first nodes.  capacity: nodes
    for which there is room at once; more are made room for.
    """

    def __init__(self, roots: list[Hypothesis], capacity: int) -> None:
        self._roots = roots
        size = len(roots) + capacity
        self._parents = np.empty(size, np.int64)
        self._parents[: len(roots)] = np.arange(len(roots))
        self._tokens = np.empty(size, np.int64)
        self._frames = np.empty(size, np.int64)
        self._log_probs = np.empty(size, np.float32)
        self._next = len(roots)

    def add(self, parents: Ints, tokens: Ints, frames: Ints, log_probs: Doubles) -> Ints:
        """New nodes [E]: each token behind its parent, its frame, its log-probability there."""
        new = slice(self._next, self._next + len(parents))
        if new.stop > len(self._parents):
            self._grow(new.stop)
        self._parents[new], self._tokens[new] = parents, tokens
        self._frames[new], self._log_probs[new] = frames, log_probs
        self._next = new.stop
        return np.arange(new.start, new.stop)

    def _grow(self, size: int) -> None:
        """To twice as many nodes, or so many."""
        more = max(size, 2 * len(self._parents)) - len(self._parents)
        for name in ("_parents", "_tokens", "_frames", "_log_probs"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.empty(more, array.dtype)]))

    def spell(self, nodes: Ints) -> list[Hypothesis]:
        """What leads to each of the nodes [R]; no scores."""
        path = [nodes]
        while (path[-1] >= len(self._roots)).any():
            path.append(self._parents[path[-1]])
        return [self._follow(steps) for steps in np.stack(path[::-1], axis=1)]

    def _follow(self, path: Ints) -> Hypothesis:
        """path: [U], nodes from a root on, which repeats."""
        root, nodes = self._roots[path[0]], path[path >= len(self._roots)]
        return Hypothesis(
            root.ids + self._tokens[nodes].tolist(),
            (root.frames or []) + self._frames[nodes].tolist(),
            (root.log_probs or []) + self._log_probs[nodes].tolist(),
        )
