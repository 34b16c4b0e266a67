"""What the prefixes of a beam are made of: a tree of tokens, to which each frame adds nodes."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

NO_TOKEN = -1
ROOT = 0  # the node of the empty prefix


class History:
    """Every extension of a prefix by a token, as a node that knows its parent; node 0 is the root.

    capacity: nodes that are ever added, at most.
    """

    def __init__(self, capacity: int) -> None:
        self._parents = np.full(1 + capacity, ROOT)
        self._tokens = np.full(1 + capacity, NO_TOKEN, dtype=np.int32)
        self._next = 1

    def add(self, parents: Ints, tokens: NDArray[np.int32]) -> Ints:
        """New nodes: parents, tokens [A, B] -> nodes [A, B]."""
        new = slice(self._next, self._next + parents.size)
        self._parents[new], self._tokens[new] = parents.ravel(), tokens.ravel()
        self._next = new.stop
        return np.arange(new.start, new.stop).reshape(parents.shape)

    def spell(self, nodes: Ints) -> NDArray[np.int32]:
        """Tokens [..., U] of nodes [...]: NO_TOKEN in front of the shorter ones."""
        columns = [np.empty((*nodes.shape, 0), np.int32)]
        while nodes.any():
            columns.append(self._tokens.take(nodes)[..., None])
            nodes = self._parents.take(nodes)
        return np.concatenate(columns[::-1], axis=-1)
