"""The one seam to the networks."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Tensors = Mapping[str, Array]


class Runner(Protocol):
    def run(self, graph: str, batches: Sequence[Tensors]) -> list[Tensors]:
        """Run a graph once per batch, by name in and by name out; the order is kept.

        A list, because a Runner may send all of them before it waits for the first.
        """
        ...
