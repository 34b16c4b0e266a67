"""Two graphs on the same random inputs, where nothing is known of what they are for."""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx

from auricle.build.export.graph import INTEGERS, Graph, Port
from auricle.build.export.heads import largest_difference
from auricle.build.export.parity import worst
from auricle.build.export.session import Array, Session, of_type

NUM_ROWS = 2
SIZES = (64, 121)  # of every other axis that is free, in turn


def random_inputs(graph: Graph) -> Iterator[dict[str, Array]]:
    rng = np.random.default_rng(0)
    for size in SIZES:
        yield {port.name: _fill(port, size, rng) for port in graph.inputs}


def _fill(port: Port, size: int, rng: np.random.Generator) -> Array:
    """Noise of a signal's form, and the size itself of a row of integers: a length."""
    free = [NUM_ROWS, *[size] * len(port.shape)]
    shape = [dim if isinstance(dim, int) and dim else free[min(place, 1)]
             for place, dim in enumerate(port.shape)]  # fmt: skip
    if port.dtype in INTEGERS:
        return of_type(port, np.full(shape, size if len(shape) < NUM_ROWS else 1))
    return of_type(port, rng.normal(size=shape))


def largest_of(
    graph: Graph, model: onnx.ModelProto, batches: Iterator[Mapping[str, Array]]
) -> float:
    """The largest difference of all outputs; relative beyond 1."""
    before, after = Session(graph.model), Session(model)
    return worst(
        largest_difference(found, expected)
        for batch in batches
        for found, expected in zip(
            after.run(batch).values(), before.run(batch).values(), strict=True
        )
        if expected.dtype != np.bool_
    )
